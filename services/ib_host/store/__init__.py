"""Bars on disk: Parquet files, one folder for each dataset, versions switched by one manifest."""
