"""Sessions that processes of their own have opened: found in their folders, served like the host's, never signalled."""
