"""The ways in which a host may reach a secure element: every suite that runs on one runs on all.

memory    the element in this process, its journal in memory
file      the element in this process, its journal a file
channel   the element in this process behind commands and frames
process   the element in a process of its own (`offline.element_process`), behind its pipes

    way = WAYS["process"](folder)
    element = way.element(3)            made when it is first asked for; the same one again afterwards
    way.restart()                       everything is forgotten but the journals
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from cbdc.keys import ES256
from cbdc.ports import SeededEntropy
from offline.element import SimulatedSecureElement
from offline.element_client import ElementProcess, LocalChannel, RemoteElement, element_command
from offline.element_protocol import SecureElement
from offline.element_server import Drawer, ElementServer
from offline.journal import FileJournal, Journal, MemoryJournal

SEED = 7


class Way(Protocol):
    """Elements by address, and a restart of whatever they live in."""

    def element(self, address: int) -> SecureElement: ...

    def restart(self) -> None: ...

    def close(self) -> None: ...


class Memory:
    """Elements in this process, each with a journal in memory."""

    def __init__(self, folder: Path) -> None:
        self._journals: dict[int, Journal] = {}
        self._elements: dict[int, SecureElement] = {}

    def journal(self, address: int) -> Journal:
        return self._journals.setdefault(address, MemoryJournal())

    def element(self, address: int) -> SecureElement:
        if address not in self._elements:
            self._elements[address] = SimulatedSecureElement(
                self.journal(address),
                SeededEntropy(SEED),
                address.to_bytes(8, "big"),
                ES256,
                deep_checks=True,
            )
        return self._elements[address]

    def restart(self) -> None:
        self._elements.clear()

    def close(self) -> None:
        for journal in self._journals.values():
            journal.close()


class File(Memory):
    """Elements in this process, each with a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def journal(self, address: int) -> Journal:
        path = self._folder / f"{address}.journal"
        return self._journals.setdefault(address, FileJournal(path, durable=False))


class Channelled:
    """Elements in this process, behind frames and commands."""

    def __init__(self, folder: Path) -> None:
        self._journals: dict[str, Journal] = {}
        self._clients: dict[int, SecureElement] = {}
        self.channel = LocalChannel(self._server())

    def _server(self) -> ElementServer:
        def journal(name: str) -> Journal:
            return self._journals.setdefault(name, MemoryJournal())

        return ElementServer(Drawer(journal, SeededEntropy(SEED), deep_checks=True))

    def element(self, address: int) -> SecureElement:
        return self._clients.setdefault(address, RemoteElement(self.channel, address))

    def restart(self) -> None:
        self._clients.clear()
        self.channel = LocalChannel(self._server())

    def close(self) -> None:
        """Nothing is held open."""


class OwnProcess:
    """Elements in a process of their own."""

    def __init__(self, folder: Path) -> None:
        words = [*element_command(folder, SEED, durable=False), "--deep-checks"]
        self.process = ElementProcess(words)
        self._clients: dict[int, SecureElement] = {}

    def element(self, address: int) -> SecureElement:
        return self._clients.setdefault(address, RemoteElement(self.process, address))

    def restart(self) -> None:
        self.process.close()

    def close(self) -> None:
        self.process.close()


WAYS: Mapping[str, Callable[[Path], Way]] = {
    "memory": Memory,
    "file": File,
    "channel": Channelled,
    "process": OwnProcess,
}
