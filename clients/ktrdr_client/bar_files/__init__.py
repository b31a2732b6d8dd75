"""Reading the bars of an IB host's store where its files are: on this machine, a share, S3 or GCS; no host is asked.

    from ktrdr_client.bar_files import open_store

    store = open_store("s3://research/bars")
    for dataset in store.datasets():
        print(dataset.key.instrument.symbol, dataset.rows)
    frame = store.bars("AAPL", "1min", start="2024-01-01").to_pandas()

What is read is always a whole version of a dataset, whatever is stored meanwhile. It needs `pyarrow` and `fsspec`, and
for a kind of URL that fsspec does not know by itself its driver: `s3fs` for s3://, `gcsfs` for gs://.
"""

from ktrdr_client.bar_files.store import BarFiles, open_store

__all__ = ["BarFiles", "open_store"]
