"""The one connection to the gateway: library, link states, reconnecting."""
