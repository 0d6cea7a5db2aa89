"""A TCP proxy in front of a server, which delays, swallows, and cuts off at the worst moment."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

_CHUNK = 64 * 1024


class Proxy:
    """Passes bytes on, as long as a test doesn't want otherwise.

    Args:
        port: the server's, on this machine; it may be another one later.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.latency_s = 0.0
        """How long an answer takes longer, in seconds."""
        self.cut_after: bytes | None = None
        """Once: drop the connection when the answer to the request that holds this comes."""
        self.cut_answer: bytes | None = None
        """Once: drop the connection instead of passing on the answer that holds this."""
        self.was_cut = threading.Event()
        self._loses = False
        self._lost: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @contextmanager
    def nothing_passes(self) -> Iterator[None]:
        """Pass nothing on while the context is open, not even that an end has closed.

        The connections of before and of meanwhile are lost for good, and nobody is told.
        """
        self._loses = True
        self._lost.update(self._open)
        try:
            yield
        finally:
            self._loses = False

    def drop_all(self) -> None:
        """Close every connection, as a proxy does whose server is another one now."""
        for end in self._open:
            _close(end)
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _close(self._listener)
        self.drop_all()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            _close(client)
            return
        self._open += (client, server)
        if self._loses:
            self._lost |= {client, server}
        condemned = threading.Event()
        requests = threading.Thread(
            target=self._requests, args=(client, server, condemned), daemon=True
        )
        requests.start()
        self._answers(client, server, condemned)

    def _requests(
        self, client: socket.socket, server: socket.socket, condemned: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(_CHUNK):
                if self.cut_after and self.cut_after in data:
                    self.cut_after = None
                    condemned.set()
                if client not in self._lost:
                    server.sendall(data)
        if client not in self._lost:
            _close(server)

    def _answers(
        self, client: socket.socket, server: socket.socket, condemned: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                if condemned.is_set() or (self.cut_answer and self.cut_answer in data):
                    self.cut_answer = None
                    self.was_cut.set()
                    break
                time.sleep(self.latency_s)
                if client not in self._lost:
                    client.sendall(data)
        if client not in self._lost:
            _close(client)
            _close(server)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
