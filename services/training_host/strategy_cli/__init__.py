"""The commands of `ktrdr strategy`, each in a file."""
