"""One HTTP/1.1 response, read from bytes as far as it matters. It knows no sockets."""

from asyncio import IncompleteReadError
from http import HTTPStatus

from httptools import HttpParserError, HttpResponseParser

from dingda.worker.delivery.classify import MAX_RESPONSE_BYTES

_MAX_HEAD_BYTES = 64 * 1024


class ResponseReader:
    """Reads the final response to one request; informational ones (1xx) are skipped.

    It is complete at its end; with a body over `MAX_RESPONSE_BYTES`, which is cut off just beyond
    them; and at the end of its head if its status is 500 or above, which says enough.
    """

    def __init__(self) -> None:
        self.status = 0
        """0 until the head is complete."""
        self.body = b""
        self.is_complete = False
        self.headers: dict[str, str] = {}
        """By their names in lower case."""
        self._head_bytes = 0
        self._parser = HttpResponseParser(self)
        # What HTTP clients commonly forgive in a response.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )

    def feed(self, data: bytes) -> None:
        """Take bytes from the server; none at the end of what it sends.

        Raises:
            HttpParserError: if this is no HTTP, or its head is too long; HttpParserUpgrade if the
                server changes to another protocol.
            IncompleteReadError: if it is cut short.
        """
        if not data:
            self._end()
            return
        self._head_bytes += 0 if self.status else len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            if not self.is_complete:  # what follows the response does not matter
                raise
        if not self.status and self._head_bytes > _MAX_HEAD_BYTES:
            raise HttpParserError("the head of the response is too long")

    def _end(self) -> None:
        """Decide whether a response that the closing of the connection ends is complete."""
        is_framed = {"content-length", "transfer-encoding"} & self.headers.keys()
        if is_framed or not self.status:
            raise IncompleteReadError(self.body, None)
        self.is_complete = True

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, the first of its name."""
        self.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Look at the status once it is final."""
        status = self._parser.get_status_code()
        if status >= HTTPStatus.OK and not self.is_complete:
            self.status = status
            self.is_complete = status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def on_body(self, data: bytes) -> None:
        """Keep the body as far as it matters."""
        if not self.is_complete:
            self.body += data[: MAX_RESPONSE_BYTES + 1 - len(self.body)]
            self.is_complete = len(self.body) > MAX_RESPONSE_BYTES

    def on_message_complete(self) -> None:
        """Note the end, unless it was an informational response's."""
        if self.status:
            self.is_complete = True
        else:
            self.headers.clear()
