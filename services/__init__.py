"""The KTRDR servers."""
