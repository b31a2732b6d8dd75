"""Kill the parts of a running system at random moments, and hold what is left against what workers know they wrote."""
