"""Differences of averages, and changes of the close over a time."""
