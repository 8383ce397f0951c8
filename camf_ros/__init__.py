"""CAMF fusion of a thermal and an RGB camera for ROS 2.

The floors of the package, each importing only the ones before it: ``network`` (torch), ``imaging`` and
``engines`` (numpy, OpenCV, one runtime a file), ``pipeline`` (frames in, fused frame out), ``nodes`` (ROS 2),
``cli`` (the ``camf`` command).
"""
