"""Changes of stored bars: told apart from noise, named, and kept beside the dataset."""
