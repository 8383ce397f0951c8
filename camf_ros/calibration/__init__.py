"""Finding how two cameras see each other's picture, from recorded pairs: alignment without a target, and by a target.

Knows pictures and geometry; no ROS, no network.
"""
