"""Every fault of the gateway beside every way to load: no bar is lost, or it is said which."""
