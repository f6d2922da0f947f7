"""One file per group of commands; none knows another. Imported when a command is called."""
