"""How a range of time is cut into requests that IB answers."""
