"""Example nodes that use the topics of the fusion node. Copy them to write your own."""
