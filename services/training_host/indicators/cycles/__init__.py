"""Hilbert transform indicators: periods and phases of cycles."""
