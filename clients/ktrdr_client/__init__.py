"""Follow and steer KTRDR operations from Python."""
