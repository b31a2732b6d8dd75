"""The history of metrics: how points are packed, merged into large blocks, put together, and thinned out."""
