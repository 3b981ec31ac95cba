"""One worker of the chaos: a relay under uvicorn, on a listening socket that it is given; streams count aloud."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from sseor.chat import Finished, Text
from sseor.relay import Question, Relay
from sseor.relay.redis import RedisLog

SECRET = b"chaos" * 8


class Counting:
    """A source that counts from 0; all that are open are known."""

    open = 0

    def __init__(self, count: int, pause: float) -> None:
        self._count, self._pause = count, pause

    async def __aiter__(self) -> AsyncIterator[Any]:
        Counting.open += 1
        try:
            for number in range(self._count):
                yield Text(f"{number} ")
                await asyncio.sleep(self._pause)
            yield Finished("stop")
        finally:
            Counting.open -= 1


def application(url: str, lease: float, max_records: int) -> Any:
    """Return the relay, and at `/open` the number of sources that are open."""
    log = RedisLog(url, lease=lease, keep=300, max_records=max_records)
    relay = Relay(log=log, smoothing=None, heartbeat=0.5, grace=20.0, send_timeout=5.0, secret=SECRET)

    def answer(question: Question) -> Counting:
        return Counting(question.body["count"], question.body["pause"])

    streams = relay.asgi(answer, allow_anonymous=True)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/open":
            body = json.dumps(Counting.open).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
        else:
            await streams(scope, receive, send)

    return app


def main() -> None:
    """Serve: URL of Redis, descriptor of the socket, lease in seconds, records that are not folded."""
    url, descriptor, lease, max_records = sys.argv[1:]
    listener = socket.socket(fileno=int(descriptor))
    app = application(url, float(lease), int(max_records))
    config = uvicorn.Config(app, lifespan="off", log_level="error", access_log=False, ws="none")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
