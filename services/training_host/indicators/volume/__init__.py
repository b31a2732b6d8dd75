"""Indicators that read the volume."""
