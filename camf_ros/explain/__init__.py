"""What of a fused picture came from which camera."""
