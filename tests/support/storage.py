"""DingTalk's storage of sent files, the OpenAPI's call that leads to it, and their bad days."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self

from tests.support.processes import SECRET

StorageFault = Literal["hang", "break", "none"]
CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(500_000)


class FakeStorage:
    """A server on a free port: an access token, a URL for every code, one picture at every URL."""

    def __init__(self) -> None:
        self.fault: StorageFault = "none"
        """What happens to a download from now on; `break` happens once."""
        self.downloads = 0
        """How many have begun."""
        self._closing = threading.Event()
        storage = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self._answer(b'{"accessToken":"token","expireIn":7200,"downloadUrl":"%s/f"}' % url)

            def do_GET(self) -> None:
                storage.downloads += 1
                fault = storage.fault
                if fault == "hang":
                    storage._closing.wait(60)
                elif fault == "break":
                    storage.fault = "none"
                    self._answer(CONTENT, sent=len(CONTENT) // 2)
                    self.close_connection = True
                else:
                    self._answer(CONTENT)

            def log_message(self, *_: object) -> None:
                """Nothing: pytest shows enough."""

            def _answer(self, body: bytes, sent: int | None = None) -> None:
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:sent])

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        url = self.url.encode()

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a worker that reads what was sent from here."""
        return {
            "DINGDA_APP_KEY": "dingkey",
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_OPENAPI_URL": self.url,
            "DINGDA_OAPI_URL": self.url,
            "DINGDA_MEDIA_HOSTS": self.url,
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
