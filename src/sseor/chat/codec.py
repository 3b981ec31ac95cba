"""JSON in one place: the fastest decoder at hand, with results that do not depend on which one it is.

`orjson` is used when it is importable, else `msgspec`, else the standard library. All of them refuse NaN,
infinities and control characters. Integers beyond 64 bits become floats, as in `orjson`; `loads_exact` keeps them,
for the arguments of tools. Nesting deeper than `MAX_DEPTH` is refused, so that no later walk over a value can
exhaust the stack. What a fast decoder refuses is tried again with the standard library, which accepts lone
surrogates.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_DEPTH", "SHALLOW", "dumps", "fast", "loads", "loads_exact", "select", "selected"]

MAX_DEPTH = 250
# A document of fewer bytes cannot be nested too deeply: each level takes at least two.
SHALLOW = 2 * MAX_DEPTH

_DIGITS = bytes(byte if byte < ord("0") or byte > ord("9") else ord("0") for byte in range(256))
_LONG_RUN = b"0" * 19


# The decoder calls back for each integer, and most have been seen: a hit costs a fifth of the call that it saves.
@lru_cache(maxsize=1024)
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
    raise ValueError(f"{name} is no JSON")


_standard = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant)
_exact = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def _standard_loads(data: str | bytes) -> Any:
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        value, end = _standard.raw_decode(text)  # decode() first looks for blanks around it: a tenth slower
        if end == len(text):
            return value
    except (ValueError, RecursionError):
        pass
    return _decode(_standard, text)


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _msgspec_loads() -> Callable[[str | bytes], Any]:
    msgspec = import_module("msgspec")
    decode = msgspec.json.Decoder().decode

    def loads_64_bit(data: str | bytes) -> Any:
        octets = data.encode() if isinstance(data, str) else data
        if _LONG_RUN in octets.translate(_DIGITS):
            raise ValueError("perhaps an integer beyond 64 bits, which msgspec would keep")
        try:
            return decode(octets)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError(str(error)) from None

    return loads_64_bit


def _load_codec(name: str) -> Callable[[str | bytes], Any]:
    if name == "json":
        return _standard_loads
    if name == "msgspec":
        return _msgspec_loads()
    loads_bare: Callable[[str | bytes], Any] = import_module(name).loads
    return loads_bare


fast: Callable[[str | bytes], Any] = _standard_loads
"""The bare decoder in use: raises ValueError for all it refuses, and does not look at the depth of nesting."""

_selected = "json"


def select(name: str | None = None) -> str:
    """Use the decoder `name` (`orjson`, `msgspec`, `json`), or the first importable of them; return its name.

    Raises ImportError when the named one is not installed.
    """
    global fast, _selected
    if name is None:
        name = next(one for one in ("orjson", "msgspec", "json") if _is_importable(one))
    fast = _load_codec(name)
    _selected = name
    return name


def _is_importable(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def selected() -> str:
    """Return the name of the decoder in use."""
    return _selected


def loads(data: str | bytes) -> Any:
    """Decode one JSON document; invalid UTF-8 becomes U+FFFD. Raises ValueError for anything else."""
    try:
        value = fast(data)
    except ValueError:
        value = _standard_loads(data)
    _check_depth(value, data)
    return value


def loads_exact(text: str) -> Any:
    """Decode one JSON document with integers of any size. Raises ValueError for anything else."""
    value = _decode(_exact, text)
    _check_depth(value, text)
    return value


def _check_depth(value: Any, data: str | bytes) -> None:
    if len(data) < SHALLOW:
        return
    openers = (
        data.count("{") + data.count("[") if isinstance(data, str) else data.count(b"{") + data.count(b"[")
    )
    if openers <= MAX_DEPTH or type(value) not in (dict, list):
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [item.values() if type(item) is dict else item for item in level]
        level = [item for items in inner for item in items if type(item) is dict or type(item) is list]
        if not level:
            return
    raise ValueError("nested too deeply")


def dumps(value: object) -> bytes:
    """Encode as compact UTF-8 JSON. Raises ValueError or TypeError for what JSON or UTF-8 cannot hold."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text.encode()


select()
