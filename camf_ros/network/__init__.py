"""The networks in PyTorch, what describes them without it, and their exported form."""
