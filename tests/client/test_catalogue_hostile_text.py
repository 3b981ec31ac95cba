"""Hostile text in the answer itself: it is text and nothing else, and always encodable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from catalogue import ENDING, across_shells, body, chunk, each_shell, look_at, nothing_is_left, sse

import sseor

__all__ = ["nothing_is_left"]
pytestmark = pytest.mark.usefixtures("nothing_is_left")

HOSTILE = [
    "data: [DONE]\n\n",
    "[DONE]",
    "\r\n\r\ndata: {}\r\n\r\n",
    "\x00\x01\x1b[2J\x1b]0;title\x07",
    "<script>alert(1)</script>",
    "__proto__ constructor __class__",
    "\u202e\u2066\ufeff\ufffe\uffff",
    "e\u0301" * 500,
    "\N{OTTER}\U0010ffff",
    '{"choices":[{"finish_reason":"stop"}]}',
    "%s %(x)s {0} {x!r}",
]


@across_shells("text", HOSTILE, ids=lambda text: ascii(text)[:24])
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "raw"])
def test_row_111_hostile_content(shell: str, text: str, ascii_only: bool) -> None:
    """Whatever the content spells, it is handed out as it is, in text and in reasoning."""
    events = [
        json.dumps(chunk(delta={name: text}), ensure_ascii=ascii_only) for name in ("reasoning", "content")
    ]
    seen = look_at(shell, body(sse(*events) + ENDING))
    assert (seen.whole.text, seen.whole.reasoning) == (text, text)
    assert len(seen.of(sseor.Text)) == len(seen.of(sseor.Reasoning)) == 1


@each_shell
def test_row_111_hostile_names(shell: str) -> None:
    """No attribute is set from a name in the input; unknown fields are data."""
    odd: dict[str, Any] = {
        "__class__": "x",
        "__proto__": {"a": 1},
        "text": "no",
        "raw": 5,
        "verdict": "whole",
        "choice": 9,
    }
    event = chunk(delta={"content": "Low", **odd}, **odd)
    event["choices"][0] |= {name: value for name, value in odd.items() if name != "text"}
    seen = look_at(shell, body(sse(event) + ENDING))
    assert seen.whole.text == "Low"
    assert type(seen.whole) is sseor.Completion
    assert seen.whole.verdict.complete is True
    assert sseor.Completion.from_dict(json.loads(json.dumps(seen.whole.to_dict()))).text == "Low"


@across_shells(
    ("pieces", "whole"),
    [
        (["\\ud83e", "\\udda6"], "\N{OTTER}"),
        (["a\\ud83e", "\\udda6b"], "a\N{OTTER}b"),
        (["a\\ud83e"], "a\ufffd"),
        (["a\\ud83e", "b"], "a\ufffdb"),
        (["\\udda6a"], "\ufffda"),
        (["\\ud83e", "\\ud83e", "\\udda6"], "\ufffd\N{OTTER}"),
        (["\\ud83e\\udda6"], "\N{OTTER}"),
        (["", "\\ud83e", "", "\\udda6"], "\N{OTTER}"),
    ],
)
@pytest.mark.parametrize("field", ["content", "reasoning"])
def test_row_112_surrogates(shell: str, pieces: list[str], whole: str, field: str) -> None:
    """Halves of a pair that came apart are joined; a half that stays alone becomes U+FFFD."""
    template = json.dumps(chunk(delta={field: "#"}))
    seen = look_at(shell, body(sse(*(template.replace("#", piece) for piece in pieces)) + ENDING))
    assert (seen.whole.text if field == "content" else seen.whole.reasoning) == whole


@each_shell
def test_row_112_a_half_at_a_cut(shell: str) -> None:
    """Half a pair at the end of a cut answer does not spoil the partial."""
    data = sse(chunk("Low")) + sse(json.dumps(chunk("#")).replace("#", "\\ud83e"))
    seen = look_at(shell, body(data))
    assert seen.error is not None
    assert seen.text.rstrip("\ufffd") == "Low"


@across_shells("field", ["id", "model", "provider", "finish_reason", "name"])
def test_row_112_surrogates_elsewhere(shell: str, field: str) -> None:
    """Lone halves in ids, names and unknown fields are replaced in all that can be shown or saved."""
    event = chunk("Low", finish_reason="#" if field == "finish_reason" else None)
    event[field] = "#"
    data = json.dumps(event).replace("#", "x\\ud83e")
    seen = look_at(shell, body(sse(data) + ENDING))
    json.dumps(seen.whole.to_dict(), ensure_ascii=False).encode()
    assert seen.whole.text == "Low"
    cut = look_at(shell, body(sse(data)))
    if cut.error is not None:
        str(cut.error).encode()
        str(cut.error.generation_id).encode()
