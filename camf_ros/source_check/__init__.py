"""Is thermal thermal, and RGB RGB? The auxiliary classifier watches both cameras and says how sure it is."""
