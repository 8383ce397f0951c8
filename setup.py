"""Installs the part of camf_ros that knows no ROS with pip: training, offline fusion, benchmarks, the `camf` command.

On a robot colcon builds the package with CMakeLists.txt and never reads this file. Name, version, licence and
description are package.xml's.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
MANIFEST = ET.parse(HERE / "package.xml").getroot()


def fact(tag: str) -> str:
    """Returns the text of one element of package.xml."""
    text = MANIFEST.findtext(tag)
    if not text:
        raise RuntimeError(f"package.xml has no <{tag}>")
    return " ".join(text.split())


def shared_files(*folders: str) -> list[tuple[str, list[str]]]:
    """Lists the files below the folders, each folder with where its files go, as setuptools wants it."""
    found: dict[str, list[str]] = {}
    for folder in folders:
        for path in sorted((HERE / folder).rglob("*")):
            if path.is_file():
                name = path.relative_to(HERE)
                found.setdefault(f"share/camf_ros/{name.parent.as_posix()}", []).append(name.as_posix())
    return sorted(found.items())


setup(
    name=fact("name"),
    version=fact("version"),
    description=fact("description"),
    license=fact("license"),
    maintainer=fact("maintainer"),
    python_requires=">=3.10",
    packages=find_packages(include=["camf_ros", "camf_ros.*", "camf_scene"]),
    # The same places below the prefix as after a colcon build; camf_ros.resources looks there.
    data_files=[("share/camf_ros", ["package.xml"]), *shared_files("config", "models", "msg")],
    # OpenVINO or ONNX Runtime run the .onnx files of a model, and need nothing else. No torch here: on a Jetson it must
    # come from NVIDIA's own wheels, and a plain dependency would put a build without CUDA over them.
    # `pip install .[torch]` takes the package index's build.
    install_requires=[
        "numpy>=1.21",
        "opencv-python-headless>=4.5",
        "Pillow>=9.0",
        "PyYAML>=5.4",
        "tqdm>=4.57",
    ],
    extras_require={
        "torch": ["torch>=2.4", "safetensors>=0.4"],
        "export": ["torch>=2.4", "safetensors>=0.4", "onnx>=1.14"],
        "openvino": ["openvino>=2024.4"],
        "onnxruntime": ["onnxruntime>=1.17"],
        "evaluation": ["scikit-image>=0.18", "pycocotools>=2.0.8"],
        "bag": ["rosbags>=0.11"],
        "benchmark": ["matplotlib>=3.5", "psutil>=5.8"],
    },
    entry_points={"console_scripts": ["camf = camf_ros.cli.main:main"]},
)
