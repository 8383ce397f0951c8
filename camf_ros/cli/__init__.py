"""The ``camf`` command: work with CAMF models without ROS."""

import os

# Before OpenCV is loaded: what is wrong with a file, the commands say themselves, in one sentence.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
