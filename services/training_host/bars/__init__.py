"""Market bars: reading them from files or the IB host, and telling one set of bars from another."""
