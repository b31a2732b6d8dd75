"""Callbacks for training libraries: each module needs its library, and `ktrdr_bridge` imports none of them."""
