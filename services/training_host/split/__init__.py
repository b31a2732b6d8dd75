"""Chronological split into training, validation and test."""
