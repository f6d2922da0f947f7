"""The simulated router, and the command that makes it reload."""
