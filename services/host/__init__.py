"""What every host shares: sessions, worker supervision and the HostService servicer."""
