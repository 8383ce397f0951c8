"""Every frame of one camera cannot be used: the other's frames are published, over DDS, until that is over."""

from __future__ import annotations

import numpy as np
import pytest
from camf_ros.msg import ChannelWeights
from harness import pixels, qos, scene, start_fusion
from sensor_msgs.msg import CompressedImage, Image

from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message

pytestmark = [pytest.mark.ros, pytest.mark.fault]

OK, WARN = b"\x00", b"\x01"
SOURCES = {"rgb": ChannelWeights.SOURCE_RGB, "thermal": ChannelWeights.SOURCE_THERMAL}


def started(processes, probe, model, **parameters):
    return start_fusion(processes, probe, model, missing_timeout=0.3, diagnostics_period=0.1, **parameters)


def changed(image: Image, **fields: object) -> Image:
    for name, value in fields.items():
        setattr(image, name, value)
    return image


def thermal(probe, seed: int, **fields: object) -> Image:
    return changed(image_message(scene(seed)[0], "mono16", probe.header("thermal_frame")), **fields)


def rgb(probe, seed: int, **fields: object) -> Image:
    return changed(image_message(scene(seed)[1], "rgb8", probe.header("rgb_frame")), **fields)


def nowhere_finite(probe) -> Image:
    return image_message(np.full((32, 40), np.nan, np.float32), "32FC1", probe.header("thermal_frame"))


# What a camera sends, by what is said of it.
SPOILT = {
    "rgb8 with colours": ("thermal", rgb),
    "encoding is 'bayer_rggb8'": ("thermal", lambda probe, seed: thermal(probe, seed, encoding="bayer_rggb8")),
    "encoding is '16UC9'": ("thermal", lambda probe, seed: thermal(probe, seed, encoding="16UC9")),
    "no finite value": ("thermal", lambda probe, seed: nowhere_finite(probe)),
    "size is 0 x 32": ("thermal", lambda probe, seed: thermal(probe, seed, width=0)),
    "data has 2560 bytes": ("thermal", lambda probe, seed: thermal(probe, seed, height=64)),
    "encoding is '16UC1'": ("rgb", lambda probe, seed: thermal(probe, seed, encoding="16UC1")),
    "step is 64 bytes": ("rgb", lambda probe, seed: rgb(probe, seed, step=64)),
    "stamp is 0 s": ("thermal", thermal),
}


def passed(probe, camera: str) -> list[ChannelWeights]:
    return [message for message in probe.weights if message.sources == SOURCES[camera]]


def send(probe, camera: str, bad: Image, seed: int, *, stamped: bool = True) -> None:
    """A pair, one frame of which is spoilt."""
    probe.advance()
    bad.header = probe.header(f"{camera}_frame")
    if not stamped:
        bad.header.stamp.sec = bad.header.stamp.nanosec = 0
    good = (rgb if camera == "thermal" else thermal)(probe, seed)
    for publisher, message in zip(
        (probe.thermal, probe.rgb), (bad, good) if camera == "thermal" else (good, bad), strict=True
    ):
        publisher.publish(message)
    probe.spin_for(0.05)


def test_frames_of_the_other_camera_are_published(processes, probe, model):
    """One kind of spoilt frame after another; between them both cameras are fused again, and all is well."""
    process = started(processes, probe, model)
    for number, (said, (camera, spoilt)) in enumerate(SPOILT.items()):
        left = "rgb" if camera == "thermal" else "thermal"
        for seed in range(3):
            probe.fuse(*scene(100 * number + seed))
        begin = len(passed(probe, left))

        def told(said=said, camera=camera, left=left) -> bool:
            level, text = probe.levels["inputs"]
            return (
                level == WARN
                and text.startswith(f"{camera}: no frame that can be used for ")
                and said in text
                and text.endswith(f"; {left} alone is passed through")
                and probe.diagnostics[f"{camera} state"] == "refused"
            )

        for seed in range(400):
            send(probe, camera, spoilt(probe, seed), seed, stamped="stamp" not in said)
            if len(passed(probe, left)) >= begin + 5 and told():
                break
        else:
            pytest.fail(f"{said}: {len(passed(probe, left)) - begin} passed, {probe.levels}")
        rejected = int(probe.diagnostics["rejected"])
        for seed in range(10):
            send(probe, camera, spoilt(probe, seed), seed, stamped="stamp" not in said)
        assert probe.spin_until(lambda rejected=rejected: int(probe.diagnostics["rejected"]) > rejected), "all count"
        # Good again: a frame or two later.
        fused = len(probe.weights) - len(passed(probe, "rgb")) - len(passed(probe, "thermal"))
        for seed in range(200):
            probe.send(*scene(seed))
            probe.spin_for(0.05)
            if len(probe.weights) - len(passed(probe, "rgb")) - len(passed(probe, "thermal")) >= fused + 3:
                break
        else:
            pytest.fail(f"{said}: not fused again; {probe.levels}")
        assert probe.spin_until(lambda: probe.levels["inputs"][0] == OK), probe.levels
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "the thermal camera sends nothing that can be used: rgb frames are passed through alone until it" in log
    assert "no two stamps are close enough" not in log


def test_a_thermal_camera_that_never_sent_anything_of_use(processes, probe, model):
    """As it was found: 120 frames of a palette."""
    started(processes, probe, model)
    sent = []
    for seed in range(120):
        probe.advance()
        sent.append(rgb(probe, seed))
        probe.thermal.publish(rgb(probe, 1000 + seed))
        probe.rgb.publish(sent[-1])
        probe.spin_for(0.03)
    assert probe.spin_until(lambda: len(passed(probe, "rgb")) > 20), probe.levels
    assert all(message.sources == ChannelWeights.SOURCE_RGB for message in probe.weights)
    by_stamp = {(each.header.stamp.sec, each.header.stamp.nanosec): each for each in sent}
    for image in probe.fused:
        np.testing.assert_array_equal(
            pixels(image), pixels(by_stamp[image.header.stamp.sec, image.header.stamp.nanosec])
        )


def test_sizes_that_do_not_fit_leave_the_reference(processes, probe, model):
    """With registration.mode none both must have one size; the camera that is not the reference is left out."""
    started(processes, probe, model, registration__mode="none")
    for seed in range(400):
        probe.send(*scene(seed))
        probe.spin_for(0.05)
        if len(passed(probe, "rgb")) >= 5 and "expected one size" in probe.levels["inputs"][1]:
            break
    else:
        pytest.fail(str(probe.levels))
    probe.send(*scene(1, (64, 48), (64, 48)))
    assert probe.spin_until(lambda: len(passed(probe, "rgb")) >= 6), probe.levels
    probe.fuse(*scene(2, (64, 48), (64, 48)))


def test_both_cameras_are_named_and_wait_waits(processes, probe, model):
    started(processes, probe, model, on_missing="wait")
    for seed in range(400):
        send(probe, "thermal", thermal(probe, seed, encoding="16UC9"), seed)
        if probe.diagnostics.get("thermal state") == "refused":
            break
    assert probe.spin_until(lambda: probe.levels["inputs"][0] == WARN)
    assert "16UC9" in probe.levels["inputs"][1]
    assert "passed through" not in probe.levels["inputs"][1]
    assert probe.fused == []
    assert probe.set_parameter("fusion", "on_missing", "pass_through") == (True, "")

    def both() -> bool:
        text = probe.levels["inputs"][1]
        return "thermal: no frame that can be used" in text and "rgb: no frame that can be used" in text

    for seed in range(400):
        probe.send(thermal(probe, seed, encoding="16UC9"), rgb(probe, seed, encoding="32FC7"))
        probe.spin_for(0.05)
        if both():
            break
    assert both(), probe.levels
    probe.fuse(*scene(3))


def test_compressed_frames_that_do_not_decode(processes, probe, model):
    publisher = probe.node.create_publisher(CompressedImage, f"{topics.THERMAL_IMAGE}/compressed", qos("reliable"))
    processes.start(
        "fusion_node", model=str(model), threads=1, diagnostics_period=0.1, input_transport__thermal="compressed"
    )
    assert probe.spin_until(lambda: publisher.get_subscription_count() > 0)
    cut = b"\x89PNG\r\n\x1a\n" + bytes(60)
    for seed in range(400):
        probe.advance()
        publisher.publish(CompressedImage(header=probe.header("thermal_frame"), format="png", data=cut))
        probe.rgb.publish(rgb(probe, seed))
        probe.spin_for(0.05)
        if len(passed(probe, "rgb")) >= 5 and probe.levels["inputs"][0] == WARN:
            break
    else:
        pytest.fail(str(probe.levels))
    assert "thermal: no frame that can be used" in probe.levels["inputs"][1]
