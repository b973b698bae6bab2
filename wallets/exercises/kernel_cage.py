"""The walls that a Linux kernel can build round a student's process: Landlock for files, seccomp for calls.

Landlock (kernel 5.13 and later) lets a process give up every file but those beneath named folders; from version 4 on
also TCP ports, from version 6 on signals to others. Seccomp refuses single system calls: making processes, running
programs, opening sockets, looking into other processes, changing modes and owners, which Landlock does not cover.
Neither needs any privilege, and neither can be taken back, not by the process nor by what it starts.

The numbers are those of the kernel's headers for x86-64 and AArch64. Elsewhere nothing is built, and `wall_in` says so.

Source: the kernel's Documentation/userspace-api/landlock.rst and seccomp_filter.rst.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUESTION, _BENEATH = 1, 1

# Landlock's rights on files, bit by bit.
_EXECUTE, _WRITE, _READ, _LIST = (1 << bit for bit in range(4))
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_READ_ONLY = _EXECUTE | _READ | _LIST
_LINKS = 1 << 12 | 1 << 13
_ON_A_FILE = _EXECUTE | _WRITE | _READ | 1 << 14 | 1 << 15
_PORTS, _SCOPES = 0b11, 0b11

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3, _AS_THREAD, _FOREIGN_CALLS = 435, 0x10000, 0x40000000
# Making processes, running programs, signals, sockets, other processes' insides, namespaces, kernel keys and probes,
# memory that no limit counts, modes, owners, times and attributes of files.
_REFUSED = {
    "x86_64": (
        *(57, 58, 59, 322, 62, 200, 129, 297, 101, 310, 311, 424, 434, 438, 41, 53, 42, 49),
        *(272, 308, 165, 166, 161, 155, 321, 298, 248, 249, 250, 319, 29, 425, 323),
        *(90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199),
    ),
    "aarch64": (
        *(221, 281, 129, 130, 138, 240, 117, 270, 271, 424, 434, 438, 198, 199, 203, 200),
        *(97, 268, 40, 39, 51, 41, 280, 241, 217, 218, 219, 279, 194, 425, 282),
        *(52, 53, 452, 54, 55, 88, 5, 6, 7, 14, 15, 16),
    ),
}
_ALLOW, _REFUSE_WITH = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06


def wall_in(folder: Path, readable: Sequence[Path]) -> list[str]:
    """Give up, for good, every file but `readable` (to read) and `folder` (also to write), and the calls above.

    Returns which walls stand: "files", "network", "calls". What this system does not have is left out, never an error.
    """
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES:
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return []
    walls = _files(libc, folder, readable)
    if _calls(libc, platform.machine()):
        walls.append("calls")
    return walls


def _files(libc: ctypes.CDLL, folder: Path, readable: Sequence[Path]) -> list[str]:
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_QUESTION)
    if version < 1:
        return []
    rights = (1 << _RIGHTS_OF_VERSION.get(version, 16)) - 1
    words = [rights, *([_PORTS] if version >= 4 else []), *([_SCOPES] if version >= 6 else [])]
    question = struct.pack(f"={len(words)}Q", *words)
    rules = libc.syscall(_CREATE_RULESET, question, len(question), 0)
    if rules < 0:
        return []
    try:
        allowed = [(path, _READ_ONLY) for path in readable] + [(folder, rights & ~_LINKS)]
        if not all(_allow(libc, rules, path, rights & wanted) for path, wanted in allowed if path.exists()):
            return []
        if libc.syscall(_RESTRICT_SELF, rules, 0) != 0:
            return []
    finally:
        os.close(rules)
    return ["files", "network"] if version >= 4 else ["files"]


def _allow(libc: ctypes.CDLL, rules: int, path: Path, wanted: int) -> bool:
    opened = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
    try:
        if not path.is_dir():
            wanted &= _ON_A_FILE
        rule = struct.pack("=Qi", wanted, opened)
        return bool(libc.syscall(_ADD_RULE, rules, _BENEATH, rule, 0) == 0)
    finally:
        os.close(opened)


def _step(code: int, yes: int, no: int, number: int) -> bytes:
    return struct.pack("=HBBI", code, yes, no, number)


def program(machine: str) -> bytes:
    """The seccomp filter for a machine ("x86_64", "aarch64"), as the kernel reads it."""
    refuse, missing = _REFUSE_WITH | errno.EPERM, _REFUSE_WITH | errno.ENOSYS
    steps = [
        _step(_LOAD, 0, 0, 4),
        _step(_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        _step(_ANSWER, 0, 0, refuse),
        _step(_LOAD, 0, 0, 0),
        _step(_AT_LEAST, 0, 1, _FOREIGN_CALLS),
        _step(_ANSWER, 0, 0, refuse),
        # A C library that is told clone3 is missing uses clone, whose flags can be read: threads are allowed.
        _step(_EQUAL, 0, 1, _CLONE3),
        _step(_ANSWER, 0, 0, missing),
        _step(_EQUAL, 0, 4, _CLONE[machine]),
        _step(_LOAD, 0, 0, 16),
        _step(_ANY_BIT, 1, 0, _AS_THREAD),
        _step(_ANSWER, 0, 0, refuse),
        _step(_ANSWER, 0, 0, _ALLOW),
    ]
    for number in _REFUSED[machine]:
        steps += [_step(_EQUAL, 0, 1, number), _step(_ANSWER, 0, 0, refuse)]
    return b"".join([*steps, _step(_ANSWER, 0, 0, _ALLOW)])


def _calls(libc: ctypes.CDLL, machine: str) -> bool:
    steps = program(machine)
    kept = ctypes.create_string_buffer(steps, len(steps))
    described = struct.pack("@HP", len(steps) // 8, ctypes.addressof(kept))
    return bool(libc.prctl(_SET_SECCOMP, _FILTER, described, 0, 0) == 0)
