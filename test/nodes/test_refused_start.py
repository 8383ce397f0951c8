"""What cannot start says why in one sentence, and what waits or is asked for help says that."""

from __future__ import annotations

import os
import subprocess

import pytest
from harness import PATIENCE, executable

from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import specs

pytestmark = pytest.mark.ros


def run(*arguments, name="fusion_node"):
    return subprocess.run([executable(name), *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE)


def refused(done):
    """The sentence."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("cannot start: ")]
    return line


def test_a_parameter_file_that_is_no_yaml(tmp_path):
    (tmp_path / "broken.yaml").write_text("fusion: [b\n")
    assert str(tmp_path / "broken.yaml") in refused(run("--ros-args", "--params-file", str(tmp_path / "broken.yaml")))


@pytest.mark.parametrize("name", ["fusion_node", "source_node", "demo_monitor", "detector_example"])
def test_a_topic_with_a_space(name):
    assert "rgb/image_raw:=my camera" in refused(run("--ros-args", "-r", "rgb/image_raw:=my camera", name=name))


@pytest.mark.parametrize("variable", ["ROS_LOG_DIR", "HOME"])
def test_a_log_folder_that_cannot_be_written(tmp_path, monkeypatch, variable):
    (tmp_path / "file").touch()
    monkeypatch.delenv("ROS_LOG_DIR", raising=False)
    monkeypatch.delenv("ROS_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file" / "folder"))
    assert str(tmp_path / "file") in refused(run())


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["thermal/camera_info:=/info", "rgb/camera_info:=/info"], "thermal/camera_info and rgb/camera_info"),
        (["rgb/image_raw:=thermal/image_raw"], "thermal/image_raw and rgb/image_raw"),
    ],
)
def test_cameras_that_share_a_topic(model, rules, said):
    remapped = [argument for rule in rules for argument in ("-r", rule)]
    line = refused(run("--ros-args", "-p", f"model:={model}", *remapped))
    assert f"{said} are both /" in line


def test_a_registration_file_that_nobody_writes(model, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    line = refused(
        run(
            "--ros-args",
            "-p",
            f"model:={model}",
            "-p",
            "registration.mode:=homography",
            "-p",
            f"registration.file:={tmp_path / 'fifo'}",
        )
    )
    assert f"the registration file {tmp_path / 'fifo'} is no regular file" in line


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("model:=off", "parameter model is False; expected a string"),
        ("registration.file:=7", """needs quotes ("'7'")"""),
        ("thermal.dead_pixels:=yes", "parameter thermal.dead_pixels is True; expected a string: auto | off"),
        ("threads:=2.0", "parameter threads is 2.0; expected a whole number: 0 to 256"),
        ("use_sim_time:=1", "'use_sim_time' to '1' of type 'INTEGER', expecting type 'BOOL'"),
        ("qos_overrides./diagnostics.publisher.depth:=-1", "depth is -1"),
        ("qos_overrides./diagnostics.publisher.reliability:=much", "policy `reliability`: `much`"),
    ],
)
def test_a_parameter_of_a_wrong_type(parameter, said):
    assert said in refused(run("--ros-args", "-p", parameter))


@pytest.mark.parametrize("off", ["off", "no", "false", "'off'"])
def test_off_that_yaml_takes_for_a_truth_value(processes, off):
    node = processes.start("fusion_node", autostart=False, **{"thermal.dead_pixels": off})
    assert "waiting for a lifecycle manager" in node.stdout.readline()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frobnicate"], "arguments --frobnicate mean nothing to a node; expected --ros-args"),
        (["-p", "gain"], "arguments -p gain mean nothing to a node"),
        (["--ros-args", "--frobnicate"], "ROS does not know the arguments ['--frobnicate']"),
    ],
)
def test_arguments_that_nobody_knows(arguments, said):
    assert said in refused(run(*arguments))


def test_a_model_whose_name_is_nearly_right():
    line = refused(run("--ros-args", "-p", "model:=camf-light"))
    assert "did you mean camf-lite?" in line


@pytest.mark.parametrize("name", ["fusion_node", "source_node", "demo_monitor", "detector_example"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(name, flag):
    done = run(flag, name=name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: ros2 run camf_ros {name} ")
    if name == "fusion_node":
        assert all(f"  {parameter} (default " in done.stdout for parameter in specs(FusionSettings))


def test_a_node_that_waits_says_so(processes):
    node = processes.start("fusion_node", autostart=False)
    line = node.stdout.readline()
    assert "autostart is false: waiting for a lifecycle manager, or for 'ros2 lifecycle set /fusion configure'" in line
