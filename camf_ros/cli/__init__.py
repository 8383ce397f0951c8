"""The ``camf`` command, which needs no ROS."""

import os

# Before OpenCV is loaded. The commands report unreadable files themselves.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
