"""Which operations read a dataset, and which loads had left it as it was then."""
