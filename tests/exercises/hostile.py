"""Answers that attack their grader instead of the money, and what each would have changed."""

from pathlib import Path

# name -> body of a function `replay(bazaar)`; `{victim}` is a file that must stay, `{secret}` one that stays secret.
BODIES = {
    "endless loop": "while True:\n        pass",
    "memory eater": "kept = []\n    while True:\n        kept.append(bytearray(1 << 24))",
    "one huge list": "return [0] * (1 << 33)",
    "file deleter": "import os\n    os.remove({victim!r})",
    "tree deleter": "import pathlib, shutil\n    shutil.rmtree(pathlib.Path({victim!r}).parent)",
    "overwriter": "open({victim!r}, 'w').write('gone')",
    "renamer": "import os\n    os.rename({victim!r}, {victim!r} + '.gone')",
    "changer of modes": "import os\n    os.chmod({victim!r}, 0)",
    "reader": "return open({secret!r}).read()",
    "looker": "import os\n    return os.listdir(os.path.dirname({secret!r}))",
    "fork": "import os\n    while True:\n        os.fork()",
    "program": "import os\n    os.system('touch ' + {victim!r} + '.made')",
    "subprocess": "import subprocess\n    subprocess.run(['touch', {victim!r} + '.made'])",
    "spawn": "import multiprocessing\n    multiprocessing.Process(target=print).start()",
    "socket": "import socket\n    socket.create_connection(('127.0.0.1', 9))",
    "killer": "import os\n    os.kill(os.getppid(), 9)",
    "leaver": "import os\n    os._exit(0)",
    "writer on the line": "import os\n    for number in range(3, 64):\n        try:\n"
    "            os.write(number, b'x' * 64)\n        except OSError:\n            pass",
    "foreign functions": "import ctypes\n    ctypes.CDLL(None).unlink({victim!r}.encode())",
    "interrupt": "raise KeyboardInterrupt",
    "deep": "return replay(bazaar)",
    "strange value": "return lambda: 1",
    "strange exception": "class Odd(Exception):\n        def __str__(self):\n            raise ValueError\n"
    "    raise Odd",
    "big print": "print('x' * (64 << 20))\n    return 1",
    "threads": "import threading\n    def spin():\n        while True:\n            pass\n"
    "    for _ in range(4):\n        threading.Thread(target=spin, daemon=True).start()\n    return 1",
    "exits at import": "return 1",
    "hook remover": "import sys\n    sys.addaudithook(lambda *_: 1 / 0)\n    return open({secret!r}).read()",
}


def text(name: str, victim: Path, secret: Path) -> str:
    """The whole answer of that name."""
    first = "raise SystemExit(3)\n\n\n" if name == "exits at import" else ""
    body = BODIES[name].format(victim=str(victim), secret=str(secret))
    return f"{first}def replay(bazaar):\n    {body}\n"
