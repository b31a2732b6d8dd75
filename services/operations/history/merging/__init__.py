"""Small blocks of points become few large ones, while nobody is disturbed."""
