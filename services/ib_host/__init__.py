"""The IB host: gateway connection, chunk planning, bar store."""
