"""The demo: what it starts, its monitor node and its page."""
