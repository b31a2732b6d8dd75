"""Rules by which the gateway misbehaves on cue."""
