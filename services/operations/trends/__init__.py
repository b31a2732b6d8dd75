"""Trends: what rules find in the metrics of an attempt, as they come and over again."""
