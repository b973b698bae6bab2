"""What `tenge serve` is told about its names and its keys, apart from where and how it serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cbdc.hsm_file import HsmFile
from cbdc.institutions import KeySource, OverKeys, the_same_keys
from cbdc.operations.clock_guard import DAY_SECONDS, STEP_DAYS


@dataclass(frozen=True, slots=True)
class Keeping:
    """`authorities` are names under which institutions may ask the server beyond those that it knows itself.

    `keys` says which institutions' keys are in a hardware module (None: none of them).
    `clock_step_seconds` bounds a step of the machine's clock that may still date entries.
    """

    authorities: tuple[str, ...] = ()
    keys: HsmFile | None = None
    clock_step_seconds: int = STEP_DAYS * DAY_SECONDS

    @contextmanager
    def opened_keys(self) -> Iterator[OverKeys]:
        """The institutions' keys while the server runs; raises what `HsmFile.open` raises."""
        if self.keys is None:
            yield the_same_keys
            return
        file = self.keys
        with file.open() as module:

            def over(source: KeySource, new: bool) -> KeySource:
                return file.source(module, source, new)

            yield over
