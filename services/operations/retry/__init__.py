"""Try operations again that have ended: the same operation with one attempt more."""
