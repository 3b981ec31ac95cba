"""Where requests go and as whom: base URL, key and header fields, checked before any network."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from sseor._version import __version__
from sseor.errors import ConfigError

OPENROUTER = "https://openrouter.ai/api/v1"
KEY_VARIABLE = "OPENROUTER_API_KEY"

_OWN_FIELDS = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A field name, RFC 9110 §5.6.2."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL with the header fields of every request; the key shows in no repr."""

    base_url: str
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def url(self, path: str) -> str:
        """Return the URL of a route, whose path begins with a slash."""
        return self.base_url + path

    @property
    def get_headers(self) -> Mapping[str, str]:
        """The header fields of a request without a body, which asks for JSON."""
        fields = {name: value for name, value in self.headers.items() if name != "Content-Type"}
        return {**fields, "Accept": "application/json"}

    @property
    def host(self) -> str:
        """The host with its port, as a proxy exemption names it."""
        return urlsplit(self.base_url).netloc

    @property
    def is_tls(self) -> bool:
        """Whether requests go over TLS."""
        return self.base_url.startswith("https://")


def endpoint(
    *,
    api_key: str | None,
    base_url: str,
    app: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Endpoint:
    """Return the endpoint, or raise `ConfigError` for a URL, key or header field that cannot be used.

    Without `api_key`, the environment's `OPENROUTER_API_KEY` is taken, and only for the origin openrouter.ai; another
    server then gets no `Authorization` field at all.
    """
    url = _checked_url(base_url)
    is_openrouter = url.scheme == "https" and (url.hostname or "").lower() == "openrouter.ai"
    if api_key is None and is_openrouter:
        api_key = os.environ.get(KEY_VARIABLE, "")
        if not api_key.strip():
            raise ConfigError(f"no API key: set {KEY_VARIABLE} or pass api_key=")
    key = "" if api_key is None else _checked_key(api_key)
    if key and url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ConfigError("an API key is not sent over plain http to another machine: use https")
    return Endpoint(url.geturl().rstrip("/"), key, _header_fields(key, app, headers))


def _checked_url(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        port = url.port
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError("base_url is not a valid URL") from error
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        raise ConfigError("base_url must be an absolute URL such as 'https://openrouter.ai/api/v1'")
    if url.username is not None or url.query or url.fragment:
        raise ConfigError("base_url must hold no user name, query or fragment")
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        raise ConfigError("base_url must be plain ASCII without blanks")
    return url


def _checked_key(api_key: str) -> str:
    if not isinstance(api_key, str):
        raise ConfigError("api_key must be a string")
    key = api_key.strip()
    if not key:
        raise ConfigError("the API key is empty")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("the API key holds characters that no key has (blanks, controls or non-ASCII)")
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _header_fields(
    key: str, app: tuple[str, str] | None, headers: Mapping[str, str] | None
) -> dict[str, str]:
    fields = {
        "Accept": "text/event-stream",
        # A compressor that does not flush holds tokens back.
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": f"sseor/{__version__}",
    }
    if app is not None:
        if not isinstance(app, tuple) or len(app) != 2:
            raise ConfigError("app must be a pair: (URL of the app, name of the app)")
        fields["HTTP-Referer"], fields["X-OpenRouter-Title"] = app
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name) or name.lower() in _OWN_FIELDS:
            raise ConfigError(
                f"headers may not set {name!r:.40}: no field name, or one the client sets itself"
            )
        fields[name] = value
    for name, value in fields.items():
        if (
            not isinstance(value, str)
            or not value.isascii()
            or not value.isprintable()
            or value != value.strip()
        ):
            raise ConfigError(f"the header field {name!r:.40} must be printable ASCII without outer blanks")
    if key:
        fields["Authorization"] = f"Bearer {key}"
    return fields
