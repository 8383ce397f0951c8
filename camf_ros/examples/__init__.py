"""Nodes that use what the fusion node publishes, to start your own from."""
