"""`reasoning_details`: fragments merged into the entries that must be sent back unmodified.

Runs of the same text type are one entry. `index` is no key: many providers send 0 every time. A signature
comes in a trailing fragment without text, perhaps after the first content; once an entry has one, further
text begins the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sseor.chat.text import GrowingText, clean, clean_value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ReasoningDetails"]

_TEXT_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}


class _Entry:
    """One entry while it grows: its fields, and its text apart, since text is joined once."""

    __slots__ = ("fields", "name", "text")

    def __init__(self, name: str | None, fragment: Mapping[str, Any]) -> None:
        self.name = name
        self.text = GrowingText()
        self.fields: dict[str, Any] = {}
        self.add(fragment)

    def add(self, fragment: Mapping[str, Any]) -> None:
        """Append the fragment's text; of the other fields the first that is not null stays."""
        for name, value in fragment.items():
            key = clean(name)
            if key == self.name and type(value) is str:
                self.text.add(value)
                self.fields.setdefault(key, "")  # its place among the fields
            elif self.fields.get(key) is None:
                self.fields[key] = clean_value(value)

    def continues_with(self, fragment: Mapping[str, Any]) -> bool:
        """Tell whether a fragment belongs to this entry."""
        if self.name is None or fragment.get("type") != self.fields.get("type"):
            return False
        return not (self.fields.get("signature") and fragment.get(self.name))

    def snapshot(self) -> dict[str, Any]:
        """Return the entry as it stands."""
        fields = clean_value(self.fields)
        if self.name is not None and (text := str(self.text)):
            fields[self.name] = text
        return dict(fields)


class ReasoningDetails:
    """The merged entries of one choice; `sent` says whether the field came at all, be it empty."""

    __slots__ = ("_entries", "sent")

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self.sent = False

    def add(self, fragments: list[Any]) -> None:
        """Take the entries of one delta."""
        self.sent = True
        for fragment in fragments:
            if type(fragment) is not dict:
                continue
            if self._entries and self._entries[-1].continues_with(fragment):
                self._entries[-1].add(fragment)
            else:
                self.end()
                self._entries.append(_Entry(_TEXT_FIELDS.get(str(fragment.get("type"))), fragment))

    def end(self) -> None:
        """Give up waiting for the second half of a surrogate pair."""
        if self._entries:
            self._entries[-1].text.end()

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the entries as they stand, in order."""
        return [entry.snapshot() for entry in self._entries]
