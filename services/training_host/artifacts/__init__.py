"""The files of a trained model."""
