"""The registry: poller, store, watch."""
