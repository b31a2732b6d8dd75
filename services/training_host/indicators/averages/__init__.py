"""Moving averages of the close."""
