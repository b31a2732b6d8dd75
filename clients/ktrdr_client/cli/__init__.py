"""The `ktrdr` command."""
