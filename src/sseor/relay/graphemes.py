"""Extended grapheme clusters, what a reader takes for one character: the expression of UAX #29, table 1b and 1c."""

from __future__ import annotations

import re
from functools import cache

from sseor.relay.grapheme_table import RANGES

__all__ = ["boundaries"]

SYLLABLES = range(0xAC00, 0xD7A4)
TRAILING = 28
"""Each 28th Hangul syllable has no trailing consonant."""


def boundaries(text: str) -> list[int]:
    """Return the offsets at which a cluster ends; at the last one it may only seem to, if text follows."""
    if text.isascii() and "\r" not in text:
        return list(range(1, len(text) + 1))
    return [cluster.end() for cluster in _cluster().finditer(text)]


@cache
def _cluster() -> re.Pattern[str]:
    """Return the expression of one cluster; made when the first text that is not ASCII comes."""
    sets = {name: "".join(_range(part) for part in ranges.split()) for name, ranges in RANGES.items()}
    sets["LV"] = "".join(map(chr, SYLLABLES[::TRAILING]))
    sets["S"] = "\uac00-\ud7a3"
    sets["BETWEEN"] = sets["EXTEND"].replace("\u200c", "\u200d") + "\u200d"
    template = r"""
        \r\n
        | [{CONTROL}\r\n]
        | [{PREPEND}]*
          (?: [{L}]* (?: [{V}]+ | [{LV}][{V}]* | [{S}] ) [{T}]*
            | [{L}]+ | [{T}]+
            | [\U0001F1E6-\U0001F1FF]{{2}}
            | [{PICTOGRAPHIC}] (?: [{EXTEND}]*\u200D[{PICTOGRAPHIC}] )*
            | [{CONSONANT}] (?: (?:(?![{LINKER}])[{BETWEEN}])*+ [{LINKER}][{BETWEEN}{LINKER}]*+ [{CONSONANT}] )+
            | [^{CONTROL}\r\n]
          )
          [{EXTEND}\u200D{SPACING_MARK}]*
    """
    return re.compile(template.format(**sets), re.VERBOSE)


def _range(part: str) -> str:
    first, _, last = part.partition("-")
    return re.escape(chr(int(first, 16))) + (f"-{re.escape(chr(int(last, 16)))}" if last else "")
