"""The page about a model that people read first."""
