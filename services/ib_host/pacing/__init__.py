"""Keeping below what IB tolerates."""
