"""The public names, the floors, and what each floor needs to be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sseor

FORBID = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in sys.stdlib_module_names and root != "sseor":
            raise ImportError(f"{name} is forbidden here")
sys.meta_path.insert(0, Forbidden())
"""


def run(program: str) -> None:
    """Run a program in a Python of its own."""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("floor", ["wire", "errors", "chat", "stream", "testing", "cli"])
def test_a_floor_needs_the_standard_library_alone(floor: str) -> None:
    """Everything but `client` is imported with every third-party module forbidden."""
    run(f"{FORBID}\nimport sseor.{floor}")


def test_pure_floors_work_with_everything_else_forbidden() -> None:
    """Bytes become a completion with the standard library alone."""
    run(
        FORBID
        + """
import sseor
decoder, accumulator = sseor.Decoder(), sseor.Accumulator()
reader = __import__("sseor.chat").chat.Reader()
body = b'data: {"choices":[{"index":0,"delta":{"content":"Low"},"finish_reason":"stop"}]}\\n\\ndata: [DONE]\\n\\n'
for event in decoder.feed(body):
    for chunk in reader.read(event):
        accumulator.add(chunk)
assert accumulator.completion().text == "Low" and reader.done
assert "httpx" not in sys.modules
"""
    )


def test_a_name_is_loaded_when_it_is_used() -> None:
    """`import sseor` costs no HTTP library; the client brings it."""
    run(
        "import sys, sseor; assert not {'httpx', 'anyio', 'sseor.chat'} & set(sys.modules);"
        "sseor.Decoder; assert 'sseor.client' not in sys.modules; sseor.Client; assert 'httpx' in sys.modules"
    )


@pytest.mark.parametrize("name", sseor.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    """Each name of `__all__` can be had, is listed by `dir`, and is documented."""
    value = getattr(sseor, name)
    assert name in dir(sseor)
    assert isinstance(value, str) or name == "StreamEvent" or value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="Cleint"):
        sseor.Cleint  # noqa: B018


def test_the_floors_can_be_reached_as_attributes() -> None:
    """`sseor.errors` and the others need no import of their own."""
    assert sseor.errors.SseorError is sseor.SseorError
    assert sseor.__getattr__("errors") is sseor.errors
    assert sseor.testing.LoopbackServer
