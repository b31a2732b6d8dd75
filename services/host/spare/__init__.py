"""Workers that are started before there is a session for them."""
