"""TLS on top of a TCP stream, with sessions that are resumed.

It is spoken here, over `ssl.MemoryBIO`, and not by the event loop: so a session can be offered, a
tunnel through a proxy becomes TLS by one more call, and a connection costs half the CPU that the
loops' own TLS takes.
"""

import asyncio
import ssl
from contextlib import suppress

from dingda.worker.delivery.stream import ServerDisconnectedError, TCPStream

SESSION_S = 600.0
"""How long a session is resumed, in seconds from the handshake that checked the certificate."""
_CHUNK_BYTES = 64 * 1024


class TLSClient:
    """TLS to one host: its certificate is checked, and the session then resumed for a while.

    A resumed session is the host's by its key: the certificate that began it was checked by the
    same rules, at most `SESSION_S` ago.

    Args:
        context: the rules; a session is only resumed by the context that began it.
        host: the name that the certificate must have.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._context = context
        self._host = host
        self._session: ssl.SSLSession | None = None
        self._session_ends_s = 0.0

    async def start(self, stream: TCPStream) -> "TLSStream":
        """Make the handshake.

        Raises:
            ssl.SSLCertVerificationError: if the certificate is not the host's.
            OSError: if the connection or the handshake broke; `ssl.SSLError` is one.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self._session if _now_s() < self._session_ends_s else None
        tls = self._context.wrap_bio(
            incoming, outgoing, server_hostname=self._host, session=session
        )
        encrypted = TLSStream(stream, tls, incoming, outgoing)
        try:
            await encrypted.handshake()
        except BaseException:
            # The server may have refused it: by an alert, by closing, or by saying nothing more.
            self._session = None
            raise
        return encrypted

    def keep_session(self, stream: "TLSStream") -> None:
        """Keep the session of a stream on which a response has been read, for the next.

        In TLS 1.3 the server sends its tickets after the handshake. One that was resumed is kept as
        it is: its time counts from when the certificate was checked. (To copy a session, as Python
        does when it is read or offered, costs a third of a handshake.)
        """
        if stream.tls.session_reused:
            return
        session = stream.tls.session
        if session and session.id:
            self._session = session
            self._session_ends_s = _now_s() + SESSION_S


class TLSStream:
    """A `Stream` inside TLS; see `TLSClient.start`."""

    def __init__(
        self,
        stream: TCPStream,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        self.tls = tls
        self._stream = stream
        self._incoming = incoming
        self._outgoing = outgoing

    async def handshake(self) -> None:
        """Make the handshake; see `TLSClient.start`."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if not await self._receive():
                    raise ServerDisconnectedError from None
            else:
                return
            finally:
                self._flush()  # the last flight, or an alert that says what is wrong

    @property
    def is_idle(self) -> bool:  # noqa: D102 - see Stream
        # Session tickets come unasked and are no data; a close_notify reads as the end.
        self._incoming.write(self._stream.read_now())
        try:
            return self._stream.is_idle and self._read_decrypted() is None
        except ssl.SSLError:
            return False

    def write(self, data: bytes) -> None:  # noqa: D102
        self.tls.write(data)
        self._flush()

    async def read(self) -> bytes:  # noqa: D102
        while (data := self._read_decrypted()) is None:
            if not await self._receive():
                return b""  # without a close_notify, which many servers leave out
        return data

    def close(self) -> None:  # noqa: D102
        with suppress(ssl.SSLError):
            self.tls.unwrap()  # it writes our close_notify, and would then wait for the server's
        self._flush()
        self._stream.close()

    def abort(self) -> None:  # noqa: D102
        self._stream.abort()

    def _read_decrypted(self) -> bytes | None:
        """Return what has arrived; b"" at the server's close_notify, None if there is nothing."""
        try:
            return self.tls.read(_CHUNK_BYTES)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        finally:
            self._flush()  # TLS may have to answer, as to a KeyUpdate

    async def _receive(self) -> bool:
        data = await self._stream.read()
        self._incoming.write(data)
        return bool(data)

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._stream.write(data)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
