"""Bars in files and frames of other programs: CSV, Parquet, pandas, polars, Arrow."""
