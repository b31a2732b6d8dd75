"""A TCP server that speaks the TWS protocol and replays recorded history."""
