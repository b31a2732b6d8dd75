"""The strategy format: reading YAML, checking it, and the typed strategy that comes out. Loads no numeric library."""
