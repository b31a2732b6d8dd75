"""Change what people and lineage keep with an operation, whether it is at work or has ended."""
