"""Training of CAMF in the paper's two stages: auto-encoder, then auxiliary classifier on the frozen encoder."""
