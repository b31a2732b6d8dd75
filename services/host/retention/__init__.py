"""What a host keeps of sessions that have ended, for how long, and for whom."""
