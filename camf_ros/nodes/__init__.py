"""The ROS 2 nodes. The only folder that knows rclpy, message_filters, cv_bridge and message types."""
