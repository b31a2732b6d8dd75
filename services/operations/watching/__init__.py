"""Streams of what changes.

A watch is a position in the order of revisions. What it is told next is everything between its position and the
highest revision that may be shown: the latest state of each operation, tombstones, and all points in between. So a
slow reader costs nothing and misses nothing; it only sees fewer of the states in between.

Watches that ask for the same thing share a `Feed`, which prepares each message once, encoded, for all of them.
"""

from services.operations.watching.query import Selection, WatchQuery, requested_watch
from services.operations.watching.watching import Watching

__all__ = ["Selection", "WatchQuery", "Watching", "requested_watch"]
