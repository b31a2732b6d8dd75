"""Strategies to start from, as `ktrdr strategy init` writes them."""
