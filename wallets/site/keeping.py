"""What `tenge serve` is told about its names and its keys, apart from where and how it serves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keeping:
    """`authorities` are names under which institutions may ask the server beyond those that it knows itself."""

    authorities: tuple[str, ...] = ()
