"""TLS over any stream, by memory BIOs, not in the loop.

So a handshake ends on time, closing never waits for the peer, and TLS inside TLS (an https proxy) is one stream over
another, on every loop.
"""

from __future__ import annotations

import ssl
from typing import Any

import anyio
import anyio.lowlevel
import httpcore

from .budget import current_budget
from .inbox import READ_BYTES


class TlsStream(httpcore.AsyncNetworkStream):
    """TLS over a stream, which may be one of TLS itself."""

    def __init__(
        self, below: httpcore.AsyncNetworkStream, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    @classmethod
    async def over(
        cls,
        below: httpcore.AsyncNetworkStream,
        context: ssl.SSLContext,
        server_hostname: str | None,
        timeout: float | None,
    ) -> TlsStream:
        """Do the handshake, in what is left of the time for connecting; whatever fails, `below` is closed."""
        try:
            with anyio.fail_after(current_budget().left_to_connect(timeout)):
                stream = cls(below, context, server_hostname)
                await stream._shake_hands()
                # A cancel that came in this turn strikes now: a moment later httpcore would forget the connection.
                await anyio.lowlevel.checkpoint_if_cancelled()
        except BaseException as error:
            await below.aclose()
            if isinstance(error, (TimeoutError, httpcore.TimeoutException)):
                raise httpcore.ConnectTimeout("no TLS handshake in time") from error
            # A host name that TLS cannot take is a ValueError.
            if isinstance(error, (ssl.SSLError, httpcore.NetworkError, ValueError)):
                raise httpcore.ConnectError(str(error)) from error
            raise
        return stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return at most `max_bytes` bytes, b"" at the end, be it announced by the peer or not."""
        starved = not self._incoming.pending and not self._tls.pending()
        while True:
            if starved:
                await self._receive(timeout)
            try:
                return self._tls.read(max_bytes)
            except ssl.SSLWantReadError:
                starved = True
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""
            except ssl.SSLError as error:
                raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        left = memoryview(buffer)
        try:
            while left:
                left = left[self._tls.write(left) :]
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error
        await self._below.write(self._outgoing.read(), timeout)

    async def aclose(self) -> None:
        """Close the connection; the peer is not asked."""
        await self._below.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream inside TLS once more."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """Return the `ssl_object`, or what the stream below knows."""
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._receive(None)
            except ssl.SSLError:
                await self._flush()  # the alert that tells the peer why
                raise
            else:
                await self._flush()
                return

    async def _receive(self, timeout: float | None) -> None:
        await self._flush()
        data = await self._below.read(READ_BYTES, timeout)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._below.write(self._outgoing.read())
