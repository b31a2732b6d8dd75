"""Pages of ended operations: how a filter and an order become short walks along indexes of the store."""
