"""The fusion node with each registration, over DDS."""

from __future__ import annotations

import numpy as np
import pytest
from harness import pixels, scene, start_fusion
from sensor_msgs.msg import CameraInfo

from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration

THERMAL, RGB = (32, 40), (48, 64)


def info(probe, size, focal, *, d=()):
    message = CameraInfo(width=size[1], height=size[0], distortion_model="plumb_bob", d=[*d])
    message.k = [focal, 0.0, size[1] / 2, 0.0, focal, size[0] / 2, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, size[1] / 2, 0.0, 0.0, focal, size[0] / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    message.header = probe.header("camera")
    return message


def test_homography_shows_rgb_where_thermal_sees_nothing(processes, probe, model, tmp_path):
    path = tmp_path / "rig.yaml"
    # Thermal covers the left 40 columns of RGB.
    write_registration(path, RegistrationFile(THERMAL, RGB, np.diag([1.0, 1.5, 1.0])))
    start_fusion(
        processes, probe, model, registration__mode="homography", registration__file=path, registration__feather=0
    )
    thermal, rgb = scene(1)
    image, _ = probe.fuse(thermal, rgb)
    np.testing.assert_array_equal(pixels(image)[:, 41:], rgb[:, 41:])
    assert not np.array_equal(pixels(image)[:, :40], rgb[:, :40])
    assert probe.spin_until(lambda: probe.diagnostics.get("seen by both cameras (%)", "").isdigit())
    assert 60 <= int(probe.diagnostics["seen by both cameras (%)"]) <= 64, "40 of 64 columns"


def test_calibrated_publishes_a_camera_info_without_distortion_and_follows_the_distance(
    processes, probe, model, tmp_path
):
    path = tmp_path / "rig.yaml"
    pose = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.3, 0.0, 0.0))
    write_registration(path, RegistrationFile(THERMAL, RGB, None, pose))
    start_fusion(
        processes, probe, model, registration__mode="calibrated", registration__file=path, registration__distance=2
    )
    thermal, rgb = scene(2)
    probe.send(thermal, rgb)
    assert probe.spin_until(lambda: int(probe.diagnostics.get("rejected: registration", 0)) > 0), "no camera_info yet"
    probe.thermal_info.publish(info(probe, THERMAL, 40.0, d=(-0.1, 0.0, 0.0, 0.0, 0.0)))
    probe.rgb_info.publish(info(probe, RGB, 60.0, d=(-0.1, 0.02, 0.0, 0.0, 0.0)))
    probe.spin_for(0.5)
    near, _ = probe.fuse(thermal, rgb)
    assert probe.spin_until(lambda: len(probe.infos) > 0)
    said = probe.infos[-1]
    assert list(said.d) == [0.0] * 5
    assert list(said.p)[:3] == [60.0, 0.0, 32.0]
    assert (said.width, said.height) == (64, 48)
    assert said.header == near.header
    assert probe.set_parameter("fusion", "registration.distance", 50.0)[0]
    far, _ = probe.fuse(thermal, rgb)
    assert not np.array_equal(pixels(near), pixels(far))


def test_camera_info_of_another_output_size(processes, probe, model):
    start_fusion(processes, probe, model, registration__output_width=32)
    probe.rgb_info.publish(info(probe, RGB, 60.0))
    probe.spin_for(0.5)
    image, _ = probe.fuse(*scene(3))
    assert (image.width, image.height) == (32, 24)
    assert probe.spin_until(lambda: len(probe.infos) > 0)
    said = probe.infos[-1]
    assert (said.width, said.height) == (32, 24)
    assert said.k[0] == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"registration__mode": "homography"}, "registration.file is empty"),
        ({"registration__mode": "homography", "registration__file": "/no/such.yaml"}, "cannot be opened"),
    ],
)
def test_wrong_files_end_the_node_with_a_clear_line(processes, model, parameters, words):
    process = processes.start("fusion_node", model=str(model), **parameters)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words in output
    assert "Traceback" not in output


def test_cameras_of_the_file_serve_without_camera_info(processes, probe, model, tmp_path):
    path = tmp_path / "rig.yaml"
    pose = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.0, 0.0, 0.0))
    thermal, rgb = (
        Camera(size[1], size[0], (focal, 0.0, size[1] / 2, 0.0, focal, size[0] / 2, 0.0, 0.0, 1.0))
        for size, focal in ((THERMAL, 40.0), (RGB, 60.0))
    )
    write_registration(path, RegistrationFile(THERMAL, RGB, None, pose, thermal, rgb))
    start_fusion(processes, probe, model, registration__mode="calibrated", registration__file=path, reference="thermal")
    image, _ = probe.fuse(*scene(4))
    assert (image.width, image.height) == THERMAL[::-1]
