"""How far prices move, and channels that are that wide."""
