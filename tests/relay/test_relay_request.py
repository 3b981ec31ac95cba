"""`sseor.relay.request`: where an application is mounted, whatever a framework tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from sseor.relay.request import header, route_of


@pytest.mark.parametrize(
    ("scope", "route"),
    [
        ({"path": "/streams"}, ("", "/streams")),
        ({"path": ""}, ("", "/")),
        ({"path": "/streams", "raw_path": b"/streams", "root_path": ""}, ("", "/streams")),
        (
            {"path": "/chat/streams", "raw_path": b"/chat/streams", "root_path": "/chat"},
            ("/chat", "/streams"),
        ),
        ({"path": "/chat", "raw_path": b"/chat", "root_path": "/chat"}, ("/chat", "/")),
        ({"path": "/chat/", "raw_path": b"/chat/", "root_path": "/chat/"}, ("/chat", "/")),
        ({"path": "/streams", "raw_path": b"/streams", "root_path": "/chat"}, ("/chat", "/streams")),
        ({"path": "/streams", "raw_path": b"/chat/streams", "root_path": "/chat"}, ("/chat", "/streams")),
        ({"path": "/streams/", "raw_path": b"/chat/streams"}, ("/chat", "/streams")),
        ({"path": "/streams/", "raw_path": b"/chat/streams/"}, ("/chat", "/streams/")),
        ({"path": "/streams/", "raw_path": b"/x/c%20d/streams", "root_path": "/x"}, ("/x/c%20d", "/streams")),
        ({"path": "/\u6f6e/a", "root_path": "/\u6f6e"}, ("/%E6%BD%AE", "/a")),
        ({"path": "/chatter", "raw_path": b"/chatter", "root_path": "/chat"}, ("/chat", "/chatter")),
        ({"path": "/b", "raw_path": b"/elsewhere", "root_path": "/chat"}, ("/chat", "/b")),
    ],
)
def test_where_it_is_mounted(scope: dict[str, Any], route: tuple[str, str]) -> None:
    """The path below the mount, and the mount: by the whole path and its root, by a rest alone, or by the raw path."""
    assert route_of(scope) == route


def test_names_of_headers_have_no_case() -> None:
    """The first of that name counts, and a missing one is empty."""
    scope = {"headers": [(b"X-User", b"ann"), (b"x-user", b"b\xf6b")]}
    assert header(scope, b"x-user") == "ann"
    assert header(scope, b"origin") == ""
