"""Training of CAMF in stages: auto-encoder, auxiliary classifier on the frozen encoder, fusion through the rule."""
