"""What is known of a dataset: for which stretches of time the gateway was asked, and what came of it."""
