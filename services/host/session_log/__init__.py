"""A session's log: what its work logs and prints, written into its folder, and read from there."""
