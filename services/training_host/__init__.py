"""The training host: strategies, features, models and the training loop."""
