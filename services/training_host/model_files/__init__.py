"""Lists and sends the files of trained models."""
