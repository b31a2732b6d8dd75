"""IB's scheduled resets: when its servers restart, and what to tell about it."""
