"""Scores of fused pictures, and of what a detector finds in them. Knows no ROS and no PyTorch."""
