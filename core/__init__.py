"""What the map of core says."""
