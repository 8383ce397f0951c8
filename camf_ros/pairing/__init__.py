"""Which frame of one camera belongs to which frame of the other: by stamps alone, without ROS and without images."""
