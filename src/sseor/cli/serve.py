"""`sseor serve`: the relay and its chat page, under uvicorn."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sseor.cli.exit_codes import COMPLETE
from sseor.cli.terminal import StatusLine
from sseor.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from sseor.client.asynchronous import AsyncClient, AsyncStream
    from sseor.metrics import MetricsLog
    from sseor.relay import Application, Log, Question, Relay
    from sseor.relay.request import Receive, Scope, Send

__all__ = ["add_serve", "serve"]

DESCRIPTION = """\
Serves a chat page, and the relay behind it, until Ctrl-C: answers of OpenRouter, or with --demo those of sseor's own
server, for which no key and no network are needed. It needs uvicorn: pip install 'sseor[serve]'"""

EPILOG = """\
begin here:
  sseor serve --demo                                then open http://127.0.0.1:8000/
  sseor serve -m openai/gpt-5-mini -m anthropic/claude-haiku-4.5
  sseor serve -m openai/gpt-5-mini --redis redis://127.0.0.1 --workers 4

Whoever reaches the port can ask at your cost: it is open to this machine alone, unless --host says otherwise.
With openrouter.ai the key is taken from OPENROUTER_API_KEY; with another --base-url none is sent unless --key-env
names one."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
DEMO_MODEL = "sseor/demo"
ROLES = frozenset({"user", "assistant"})


def add_serve(commands: Any, style: dict[str, Any], base_url: str) -> None:
    """Add the command; `base_url` is the server it asks by default."""
    parser = commands.add_parser(
        "serve", help="a chat page in the browser", description=DESCRIPTION, epilog=EPILOG, **style
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--demo", action="store_true", help="answers of sseor's own server")
    source.add_argument(
        "-m", "--model", action="append", metavar="MODEL", help="a model to offer; may be repeated"
    )
    parser.add_argument(
        "--base-url", default=base_url, metavar="URL", help=f"another server (default: {base_url})"
    )
    parser.add_argument("--key-env", metavar="NAME", help="the environment variable that holds the API key")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=8000, help="the port; 0 takes any that is free (default: 8000)"
    )
    parser.add_argument(
        "--redis",
        metavar="URL",
        help="keep the streams in Redis; also the name of an environment variable that holds the URL",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that serve, with --redis (default: 1)"
    )


@dataclass(frozen=True)
class Plan:
    """What is served; fit for sending to another process."""

    base_url: str
    models: Sequence[str]
    demo: bool
    key_env: str | None
    host: str
    redis: str | None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))


def serve(options: argparse.Namespace) -> int:
    """Serve until interrupted; return the exit code."""
    # Imported here, so that other commands do not wait for it.
    from sseor.cli.chat import key_for, no_proxy
    from sseor.cli.workers import run_workers
    from sseor.client.endpoint import endpoint
    from sseor.testing import LoopbackServer

    _require_uvicorn()
    if not options.demo:  # wrong ones are to be told of before anything is served
        endpoint(api_key=key_for(options.key_env, options.base_url), base_url=options.base_url)
    if options.workers < 1 or (options.workers > 1 and not options.redis):
        raise ConfigError(
            "--workers is a number above 0, and more than one need --redis: they share the streams"
        )
    redis = options.redis and _redis_url(options.redis)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(options.host, options.port))
        base_url, models = options.base_url, options.model
        if options.demo:
            stack.enter_context(no_proxy())
            base_url, models = stack.enter_context(LoopbackServer()).base_url, [DEMO_MODEL]
        plan = Plan(base_url, models, options.demo, options.key_env, options.host, redis)
        StatusLine(sys.stderr).end(f"sseor: open {_url(options.host, listener)} (Ctrl-C ends)")
        with contextlib.suppress(KeyboardInterrupt):
            if options.workers > 1:
                run_workers(options.workers, work, plan, listener)
            else:
                work(plan, listener)
    return COMPLETE


def work(plan: Plan, listener: socket.socket) -> None:
    """Serve in this process until interrupted."""
    from sseor.cli.chat import key_for
    from sseor.cli.stats import open_log
    from sseor.client.asynchronous import AsyncClient

    key = None if plan.demo else key_for(plan.key_env, plan.base_url)
    metrics = open_log(wanted=True)
    client = AsyncClient(api_key=key, base_url=plan.base_url, metrics=metrics)
    relay, application = chat_relay(
        client, plan.models, demo=plan.demo, log=_log(plan.redis), secret=plan.secret
    )
    if plan.host in LOOPBACK:
        application = ForThisMachine(application)
    _run(application, listener, relay, client, metrics)


def _log(redis: str | None) -> Log | None:
    if redis is None:
        return None
    from sseor.relay.redis import RedisLog

    return RedisLog(redis)


def _redis_url(given: str) -> str:
    """Return a URL that may stand in a variable, where a password is not for all to see; ConfigError: none of Redis."""
    url = given if "://" in given else os.environ.get(given, "")
    try:
        _log(url)
    except ImportError:
        raise ConfigError("--redis needs redis-py: pip install 'sseor[redis]'") from None
    except ValueError:
        raise ConfigError(
            "--redis needs a URL of redis://, rediss:// or unix://, or a variable with one"
        ) from None
    return url


def _require_uvicorn() -> None:
    try:
        import uvicorn  # noqa: F401 (only whether it is there)
    except ImportError:
        raise ConfigError("sseor serve needs uvicorn: pip install 'sseor[serve]'") from None


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; ConfigError when the port is taken or the address is not one of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such port"
        raise ConfigError(f"cannot listen at {host} port {port}: {reason} (try another --port)") from None


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def chat_relay(
    client: AsyncClient,
    models: Sequence[str],
    *,
    demo: bool,
    log: Log | None = None,
    secret: bytes | None = None,
) -> tuple[Relay, Any]:
    """Return a relay that lets anybody chat with these models, and its application with the page."""
    from sseor.relay import Relay

    relay = Relay(log=log, secret=secret)

    def answer(question: Question) -> AsyncStream:
        body = question.body
        model = body.get("model") or models[0]
        return client.stream(model=_offered(model, models), messages=_messages(body.get("messages")))

    settings = {"demo": demo, "models": list(models)}
    return relay, relay.asgi(answer, allow_anonymous=True, settings=settings)


def _offered(model: object, models: Sequence[str]) -> str:
    if not isinstance(model, str) or model not in models:
        raise ConfigError("a model that is not offered")
    return model


def _messages(messages: object) -> list[dict[str, Any]]:
    """Return messages that hold nothing but a role and a text."""
    if not isinstance(messages, list) or not messages:
        raise ConfigError("messages are missing")
    for message in messages:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            raise ConfigError("a message has role and content")
        if message["role"] not in ROLES or not isinstance(message["content"], str):
            raise ConfigError("a message is a text of the user or the assistant")
    return messages


class ForThisMachine:
    """Refuses requests for other hosts' names: a page whose name was rebound to this machine is none of ours."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        from sseor.relay.request import header, respond

        if scope["type"] == "http":
            host = header(scope, b"host")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if name.strip("[]").lower() not in LOOPBACK:
                await respond(
                    send, 421, {"Content-Type": "text/plain"}, b"This page is for its own machine.\n"
                )
                return
        await self._application(scope, receive, send)


def _run(
    application: Any, listener: socket.socket, relay: Relay, client: AsyncClient, metrics: MetricsLog | None
) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        """Ends the streams first: uvicorn would wait for them."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End the streams, then the server."""
            await relay.aclose()
            await super().shutdown(sockets)
            await client.aclose()
            if metrics is not None:  # uvicorn ends by the signal that it got: nothing comes after this
                metrics.close()

    config = uvicorn.Config(
        application, log_level="warning", lifespan="off", access_log=False, ws="none", server_header=False
    )
    Server(config).run(sockets=[listener])
