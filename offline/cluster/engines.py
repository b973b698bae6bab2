"""The engines that a cluster run stands on, which nothing else needs: DuckDB, Parquet by Arrow, Dask.

They come with the extra `cluster`. Whoever asks for one that is not installed is told how to get it.
"""

from importlib import import_module
from typing import Any

from cbdc.errors import Unavailable


def _engine(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise Unavailable("E_CLUSTER_EXTRA", missing=error.name or name) from None


def duckdb() -> Any:
    """DuckDB: sorts, joins and cuts files that are larger than memory; E_CLUSTER_EXTRA without the extra."""
    return _engine("duckdb")


def arrow() -> Any:
    """Arrow's tables; E_CLUSTER_EXTRA without the extra."""
    return _engine("pyarrow")


def parquet() -> Any:
    """Arrow's reader and writer of Parquet; E_CLUSTER_EXTRA without the extra."""
    return _engine("pyarrow.parquet")


def distributed() -> Any:
    """Dask's scheduler, workers and client; E_CLUSTER_EXTRA without the extra."""
    return _engine("distributed")
