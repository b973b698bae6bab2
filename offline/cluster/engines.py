"""The engines that a cluster run stands on, which nothing else needs: DuckDB, Parquet by Arrow, Dask.

They come with the extra `cluster`. Whoever asks for one that is not installed is told how to get it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def failures_named() -> Iterator[None]:
    """Inside, an engine that fails is a refusal that says so: E_CLUSTER_ENGINE. What jobs refuse passes as it is.

    A full disk under DuckDB, a worker that dies each time it is given a job, a scheduler that does not answer.
    """
    failures = (
        duckdb().Error,
        distributed().scheduler.KilledWorker,
        distributed().comm.CommClosedError,
        TimeoutError,
    )
    try:
        yield
    except failures as error:
        problem = " ".join(str(error).split())[:200] or type(error).__name__
        raise Unavailable("E_CLUSTER_ENGINE", problem=problem) from None
