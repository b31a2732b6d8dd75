"""An hour of loads and people over a real connection to a replay gateway that counts, on a clock that jumps."""
