"""A wire between a client and a server that a test can cut: before the words arrive, or before the answer does."""

import contextlib
import socket
import threading

CHUNK = 1 << 16


class Wire:
    """Listens on a port of its own and forwards every connection to `port`; `plan` says what happens next.

    "pass" forwards, "lose-request" cuts when the client next speaks, "lose-answer" lets the server hear it, waits for
    its answer and cuts in its place, "dead" accepts nobody. A cut happens once, then the wire passes again
    (or is dead, if `then_dead`).
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.plan = "pass"
        self.then_dead = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.plan == "dead":
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    client.close()  # the server is down just now
                    continue
                self._open += [client, server]
                threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, True), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if self.plan == ("lose-answer" if is_answer else "lose-request"):
                    self.plan = "dead" if self.then_dead else "pass"
                    self.cuts += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Cut everything."""
        for end in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
