"""Decides whether what viewers saw, and what the log holds in the end, is what a relay promises."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Entry", "Seen", "judge", "judge_log"]

TERMINALS = frozenset({"done", "error", "cancelled", "interrupted"})


@dataclass
class Seen:
    """All that one viewer of one stream has processed, over all its connections."""

    stream: str
    generation: str = ""
    last: int = 0
    text: str = ""
    terminal: str = ""
    gone: bool = False
    records: dict[int, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def event_id(self) -> str:
        """The last event ID, "" before the first event."""
        return f"{self.generation}.{self.last}" if self.last else ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to come back for."""
        return bool(self.terminal) or self.gone

    def take(self, event_id: str, data: str) -> None:
        """Process one event, as a client does that trusts the server to send each once and in order."""
        generation, _, digits = event_id.partition(".")
        number, record = int(digits), json.loads(data)
        if self.terminal:
            self._fault(f"{data} after the terminal record")
        if self.generation not in ("", generation):
            self._fault(f"generation {generation} after {self.generation}")
        if number <= self.last:
            self._fault(f"number {number} after {self.last}")
        elif number != self.last + 1 and record["type"] != "snapshot":
            self._fault(f"number {number} after {self.last}, a gap")
        self.generation, self.last = generation, number
        if record["type"] == "snapshot":
            self.text = record["choices"][0]["text"]
            return
        self.records[number] = data
        if record["type"] == "text":
            self.text += record["text"]
        elif record["type"] in TERMINALS:
            self.terminal = record["type"]

    def _fault(self, what: str) -> None:
        self.faults.append(f"{self.stream}: {what}")


Entry = tuple[str, str, str]
"""The ID, the field and the data of an entry of a log in Redis."""


def judge(seen: Iterable[Seen], counts: dict[str, int], emptied: set[str]) -> list[str]:
    """Return all that is wrong. `counts` has the number of texts of a whole stream; `emptied` those that Redis lost."""
    faults: list[str] = []
    of_stream: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        faults += one.faults
        of_stream[one.stream].append(one)
        words = one.text.split()
        if words != [str(number) for number in range(len(words))]:
            faults.append(f"{one.stream}: the text is {one.text[:60]!r}…")
        if one.terminal == "done" and len(words) != counts[one.stream]:
            faults.append(f"{one.stream}: done after {len(words)} of {counts[one.stream]}")
        if not one.is_over:
            faults.append(f"{one.stream}: a viewer never saw the end, after {one.event_id}")
        if one.terminal not in ("", "done", "interrupted"):
            faults.append(f"{one.stream}: ended as {one.terminal}")
        if one.gone and one.stream not in emptied:
            faults.append(f"{one.stream}: gone, though Redis has lost nothing")
    for stream, viewers in of_stream.items():
        faults += _disagreements(stream, viewers, stream in emptied)
    return faults


def _disagreements(stream: str, viewers: list[Seen], lost: bool) -> list[str]:
    faults = []
    ends = {(one.terminal, one.generation, 0 if lost else one.last) for one in viewers if one.terminal}
    if lost:  # who had not heard of the end when Redis lost it takes the stream for interrupted
        ends = {end for end in ends if end[0] != "interrupted"}
    if len(ends) > 1:
        faults.append(f"{stream}: ended as {sorted(ends)}")
    records: dict[int, str] = {}
    for one in viewers:
        for number, data in one.records.items():
            if lost and json.loads(data)["type"] == "interrupted":
                continue
            if records.setdefault(number, data) != data:
                faults.append(f"{stream}: number {number} is {data} and {records[number]}")
    return faults


def judge_log(stream: str, entries: list[Entry], folded: int, viewers: Iterable[Seen]) -> list[str]:
    """Return what is wrong with the end of a log: records without a gap, one terminal, nothing after it."""
    faults = []
    last = folded
    ended = False
    kept: dict[int, str] = {}
    for entry, kind, data in entries:
        if ended:
            faults.append(f"{stream}: {entry} after the end")
        number = int(entry.partition("-")[2])
        records = data.split("\n")
        first = number - len(records) + 1
        if first > last + 1 or number <= last:
            faults.append(f"{stream}: {entry} with {len(records)} records after number {last}")
        kept.update(enumerate(records, first))
        last, ended = number, kind == "e"
    if not ended:
        faults.append(f"{stream}: has no end")
    for one in viewers:
        if one.terminal and one.last != last:
            faults.append(f"{stream}: a viewer ended at {one.last}, the log at {last}")
        faults += [
            f"{stream}: number {number} is {kept[number]} in the log, {data} to a viewer"
            for number, data in one.records.items()
            if number in kept and kept[number] != data
        ]
    return faults
