"""Where intraday bars come from: a folder of files, or a seeded generator."""
