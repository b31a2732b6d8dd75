"""Asking the gateway, with exactly one typed outcome for each request."""
