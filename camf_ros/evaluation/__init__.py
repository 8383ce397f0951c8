"""Scores of fused pictures: the nine metrics of the field, and what is fused to be scored. Knows no ROS and no PyTorch.

All pictures are (H, W) uint8 grey, 0 to 255; A is the infrared picture, B the visible one, F the fused one.
"""
