"""Market data: what the IB host has, and what it gets."""
