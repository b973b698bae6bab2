"""Figures of a running server, in Prometheus' text form.

    metrics = Metrics()
    requests = metrics.counter("tenge_requests", "Requests answered.", "route", "status")
    requests.add("/v1/supply", "200")
    metrics.text()

Three kinds: what only grows (counters), what is read at the moment of asking (gauges), and how long things took or how
many they were (histograms). Nothing is unbounded: a figure has at most `MOST_SERIES` different rows of labels, and
what comes after them is counted under `other`. Labels are names of ours (routes, codes), never what a client sent.

The form is text version 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/. A gauge that cannot be
read at the moment is left out, which is how a scraper learns that it is not there. Whole tiyn above 2^53 lose digits
in a scraper, which keeps figures as 64-bit floating point: the books are elsewhere.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from cbdc.errors import TengeError

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES = 2_000
OTHER = "other"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000)

Number = int | float
Read = Callable[[], Mapping[str, Number]]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _row(name: str, labels: Sequence[tuple[str, str]], value: Number) -> str:
    inside = ",".join(f'{label}="{_quoted(text)}"' for label, text in labels)
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


class _Series:
    """Rows by their labels, a bounded number of them."""

    def __init__(self, name: str, about: str, kind: str, labels: Sequence[str]) -> None:
        self.name = name
        self._about = about
        self._kind = kind
        self._labels = tuple(labels)
        self._lock = threading.Lock()

    def _head(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self._about}"
        yield f"# TYPE {self.name} {self._kind}"

    def _key(self, known: Mapping[tuple[str, ...], object], values: tuple[str, ...]) -> tuple[str, ...]:
        assert len(values) == len(self._labels), f"{self.name} has the labels {self._labels}"
        if values in known or len(known) < MOST_SERIES:
            return values
        return (OTHER,) * len(values)


class Counter(_Series):
    """What only grows."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        super().__init__(f"{name}_total", about, "counter", labels)
        self._rows: dict[tuple[str, ...], int] = {}

    def add(self, *values: str, amount: int = 1) -> None:
        """Count `amount` more under these labels."""
        with self._lock:
            key = self._key(self._rows, values)
            self._rows[key] = self._rows.get(key, 0) + amount

    def value(self, *values: str) -> int:
        """The count under these labels."""
        return self._rows.get(values, 0)

    def lines(self) -> Iterator[str]:
        """The rows of the text form."""
        yield from self._head()
        with self._lock:
            rows = sorted(self._rows.items())
        for key, value in rows or ([((), 0)] if not self._labels else []):
            yield _row(self.name, list(zip(self._labels, key, strict=True)), value)


class Gauge(_Series):
    """What is read when it is asked for: rows under one label, or one row under the empty name."""

    def __init__(self, name: str, about: str, label: str, read: Read) -> None:
        super().__init__(name, about, "gauge", (label,) if label else ())
        self._read = read

    def lines(self) -> Iterator[str]:
        """The rows of the text form; none when it cannot be read now."""
        try:
            rows = self._read()
        except TengeError:
            return
        yield from self._head()
        for key, value in sorted(rows.items()):
            yield _row(self.name, [(self._labels[0], key)] if self._labels else [], value)


class Histogram(_Series):
    """How often something was how large, in steps."""

    def __init__(self, name: str, about: str, labels: Sequence[str], steps: Sequence[Number]) -> None:
        super().__init__(name, about, "histogram", labels)
        self._steps = tuple(steps)
        self._rows: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], Number] = {}

    def see(self, value: Number, *values: str) -> None:
        """One more of this size under these labels."""
        with self._lock:
            key = self._key(self._rows, values)
            row = self._rows.setdefault(key, [0] * (len(self._steps) + 1))
            row[bisect_left(self._steps, value)] += 1
            self._sums[key] = self._sums.get(key, 0) + value

    def count(self, *values: str) -> int:
        """How many were seen under these labels."""
        return sum(self._rows.get(values, ()))

    def lines(self) -> Iterator[str]:
        """The rows of the text form."""
        yield from self._head()
        with self._lock:
            rows = sorted((key, list(row), self._sums[key]) for key, row in self._rows.items())
        for key, row, total in rows:
            labels, running = list(zip(self._labels, key, strict=True)), 0
            for step, count in zip([*map(str, self._steps), "+Inf"], row, strict=True):
                running += count
                yield _row(f"{self.name}_bucket", [*labels, ("le", step)], running)
            yield _row(f"{self.name}_sum", labels, total)
            yield _row(f"{self.name}_count", labels, running)


class Metrics:
    """All figures of one server."""

    def __init__(self) -> None:
        self._series: list[Counter | Gauge | Histogram] = []

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        """A new counter; its name gets `_total` in the text."""
        made = Counter(name, about, labels)
        self._series.append(made)
        return made

    def gauge(self, name: str, about: str, read: Callable[[], Number]) -> None:
        """A new gauge of one number."""
        self._series.append(Gauge(name, about, "", lambda: {"": read()}))

    def gauges(self, name: str, about: str, label: str, read: Read) -> None:
        """A new gauge with a row for each name."""
        self._series.append(Gauge(name, about, label, read))

    def histogram(self, name: str, about: str, *labels: str, steps: Sequence[Number] = SECONDS) -> Histogram:
        """A new histogram."""
        made = Histogram(name, about, labels, steps)
        self._series.append(made)
        return made

    def text(self) -> str:
        """Everything in Prometheus' text form."""
        return "".join(f"{line}\n" for series in self._series for line in series.lines())
