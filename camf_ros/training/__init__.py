"""Training in stages: the paper's network, and blending networks through their class activation weights."""
