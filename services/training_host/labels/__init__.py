"""What the network learns to answer, with the bar at which each answer is known."""
