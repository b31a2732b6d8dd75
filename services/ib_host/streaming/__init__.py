"""Stored bars as a stream of messages."""
