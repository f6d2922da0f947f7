"""What people do in the pretended workspace, and what reaches the app of it."""
