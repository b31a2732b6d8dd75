"""Direction and strength of trends."""
