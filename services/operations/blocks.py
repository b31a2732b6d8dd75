"""Batches of metric points: how they travel in messages, and how they are packed for the store."""

from services.operations.history.blocks import pack, rows_between, unpack
from services.operations.history.series import build_series, seqs_of, series_of

__all__ = ["build_series", "pack", "rows_between", "seqs_of", "series_of", "unpack"]
