"""The options of the pytest plugin; the plugin itself is imported only when they are used.

It stands outside the package, since pytest imports it before coverage of a package can begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("sse", "conformance of SSE decoders")
    group.addoption(
        "--sse-decoder",
        metavar="DECODER",
        help="judge this decoder: module:factory, or with a space the command of an adapter",
    )
    group.addoption(
        "--sse-without", default="", metavar="LIST", help="what it does not claim, such as comments,retry"
    )
    group.addoption("--sse-timeout", type=float, default=2.0, metavar="S", help="seconds a play may take (2)")


def pytest_configure(config: pytest.Config) -> None:
    """Bring the plugin in if there is a decoder to judge."""
    if config.getoption("sse_decoder"):
        from sseor.conformance.pytest_plugin import DecoderCases

        config.pluginmanager.register(DecoderCases(config), "sseor-decoder-cases")
