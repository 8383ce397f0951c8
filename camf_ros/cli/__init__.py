"""The ``camf`` command: work with CAMF models without ROS."""
