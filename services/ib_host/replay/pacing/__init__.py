"""IB's limits on how fast a client may ask, as a gateway applies them."""
