"""JSON in one place: the fastest decoder at hand, with results that do not depend on which one it is.

`orjson` is used when it is importable, else `msgspec`, else the standard library. All of them refuse NaN, infinities
and control characters; integers beyond 64 bits become floats, as in `orjson` (`loads_exact` keeps them, for tool
arguments); nesting deeper than `MAX_DEPTH` is refused, so that no later walk over the value can exhaust the
stack. What a fast decoder refuses is tried again with the standard library, which accepts lone surrogates.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "dumps", "loads", "loads_exact", "select", "selected"]

MAX_DEPTH = 100

_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_LONG_RUN = b"0" * 19


def _integer(digits: str) -> int | float:
    if len(digits) < 19:
        return int(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else _finite(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number beyond the range of a float")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_standard = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant)
_exact = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def _standard_loads(data: str | bytes) -> Any:
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        value, end = _standard.raw_decode(
            text
        )  # a tenth faster than decode(), which also takes blanks around it
        if end == len(text):
            return value
    except ValueError:
        pass
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _standard.decode(text)


def _msgspec_loads() -> Callable[[bytes | str], Any]:
    msgspec = import_module("msgspec")
    decode = msgspec.json.Decoder().decode

    def loads_64_bit(data: bytes | str) -> Any:
        octets = data.encode() if isinstance(data, str) else data
        if _LONG_RUN in octets.translate(_DIGITS):
            raise ValueError("perhaps an integer beyond 64 bits, which msgspec would keep")
        try:
            return decode(octets)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None

    return loads_64_bit


def _load_codec(name: str) -> Callable[[Any], Any]:
    if name == "orjson":
        fast: Callable[[Any], Any] = import_module("orjson").loads
        return fast
    return _msgspec_loads() if name == "msgspec" else _standard_loads


_fast: Callable[[Any], Any] = _standard_loads
_name = "json"


def select(name: str | None = None) -> str:
    """Use the decoder `name` (`orjson`, `msgspec`, `json`), or the first importable of these; return its name."""
    global _fast, _name
    for candidate in (name,) if name else ("orjson", "msgspec", "json"):
        try:
            _fast, _name = _load_codec(candidate), candidate
        except ImportError:
            if name:
                raise
        else:
            break
    return _name


def selected() -> str:
    """Return the name of the decoder in use."""
    return _name


def loads(data: str | bytes) -> Any:
    """Decode one JSON document; invalid UTF-8 becomes U+FFFD. Raises ValueError for anything else."""
    try:
        value = _fast(data)
    except (ValueError, RecursionError):
        value = _standard_loads(data)
    # A document of fewer characters cannot be that deep; text chunks are spared the check.
    if len(data) > 4 * MAX_DEPTH:
        _check_depth(data, value)
    return value


def loads_exact(text: str) -> Any:
    """Decode one JSON document with integers of any size. Raises ValueError for anything else."""
    try:
        value = _exact.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(text, value)
    return value


def _check_depth(data: str | bytes, value: Any) -> None:
    openers = (
        data.count("{") + data.count("[") if isinstance(data, str) else data.count(b"{") + data.count(b"[")
    )
    if openers <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[Any] = []
        for item in level:
            if type(item) is dict:
                deeper.extend(item.values())
            elif type(item) is list:
                deeper.extend(item)
        if not deeper:
            return
        level = deeper
    raise ValueError("nested too deeply")


def dumps(value: object) -> bytes:
    """Encode as compact UTF-8 JSON. Raises ValueError or TypeError for what JSON or UTF-8 cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None


select()
