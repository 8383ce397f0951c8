"""Finding how two cameras see each other's picture, from recorded pairs: without a target, and by a checkerboard."""
