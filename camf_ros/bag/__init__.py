"""Fusion of recordings: a rosbag2 in, a rosbag2 with the fused topics out. The only folder that knows rosbags."""
