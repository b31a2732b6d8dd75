"""Trying everything that a load needs of the gateway, and saying of each thing how it stands and what to do."""
