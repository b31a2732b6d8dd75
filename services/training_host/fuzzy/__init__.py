"""Membership functions."""
