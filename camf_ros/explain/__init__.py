"""What the class activation weights say about a picture."""
