"""Trained models: which there are, what is in them, and their files."""
