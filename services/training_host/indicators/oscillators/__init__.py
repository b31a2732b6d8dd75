"""Oscillators: where the close stands, or which way it pushes, within a bounded or typical range."""
