"""Many records folded into one: the state that they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Snapshot"]

PASSING = frozenset({"retrying", "resumed"})
"""Records that tell of a moment and leave no state."""

TEXTS = ("text", "reasoning", "refusal")


class _Choice:
    """What has come of one choice; texts as pieces, joined when they are asked for."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self.texts = {name: [text] if (text := state.get(name)) else [] for name in TEXTS}
        self.calls: dict[int, dict[str, Any]] = {
            call["index"]: dict(call) for call in state.get("tool_calls", ())
        }
        self.images: list[str] = list(state.get("images", ()))
        audio = state.get("audio") or {"data": "", "transcript": ""}
        self.audio = {name: [audio[name]] for name in ("data", "transcript")}
        self.annotations: list[Any] = list(state.get("annotations", ()))
        self.finish_reason: str | None = state.get("finish_reason")
        self._settled = 0

    def settle(self) -> None:
        """Join the pieces that came since the last time, but not all again: that would be quadratic."""
        for pieces in (*self.texts.values(), *self.audio.values()):
            pieces[self._settled :] = ["".join(pieces[self._settled :])]
        self._settled += 1

    def call(self, index: int) -> dict[str, Any]:
        """Return the tool call at this place, empty at first."""
        empty = {"index": index, "id": "", "name": "", "arguments": "", "complete": False}
        return self.calls.setdefault(index, empty)

    def to_dict(self, number: int) -> dict[str, Any]:
        audio = {name: "".join(pieces) for name, pieces in self.audio.items()}
        return {
            "choice": number,
            **{name: "".join(pieces) for name, pieces in self.texts.items()},
            "tool_calls": [call for _, call in sorted(self.calls.items())],
            "images": self.images,
            "audio": audio if any(audio.values()) else None,
            "annotations": self.annotations,
            "finish_reason": self.finish_reason,
        }


class Snapshot:
    """The state of a stream after the records that were folded into it."""

    def __init__(self) -> None:
        self._clear(None)

    def _clear(self, restarted: Mapping[str, Any] | None) -> None:
        self._restarted = restarted
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] | None = None
        self._records: dict[str, Mapping[str, Any]] = {}

    def fold(self, record: Mapping[str, Any]) -> None:
        """Take in the next record of the stream, which may be a snapshot itself."""
        match record["type"]:
            case "text" | "reasoning" | "refusal" as name:
                self._choice(record).texts[name].append(record["text"])
            case "tool_delta":
                call = self._choice(record).call(record["index"])
                call["id"] = record.get("id", call["id"])
                if (piece := record.get("name", "")) != call["name"]:
                    call["name"] += piece
                call["arguments"] += record["arguments"]
            case "tool_call":
                call = self._choice(record).call(record["index"])
                call.update({name: record[name] for name in call})
            case "image":
                self._choice(record).images.append(record["url"])
            case "audio":
                for name, pieces in self._choice(record).audio.items():
                    pieces.append(record[name])
            case "annotation":
                self._choice(record).annotations.append(record["annotation"])
            case "finish":
                self._choice(record).finish_reason = record["reason"]
            case "usage":
                self._usage = {name: value for name, value in record.items() if name != "type"}
            case "restarted":
                times = self.restarts + 1
                self._clear({"attempt": record["attempt"], "code": record["code"], "times": times})
            case "snapshot":
                self._clear(record.get("restarted"))
                self._choices = {state["choice"]: _Choice(state) for state in record["choices"]}
                self._usage = record["usage"]
                self._records = {own["type"]: own for own in record["records"]}
            case name if name not in PASSING:
                self._records[name] = record

    @property
    def restarts(self) -> int:
        """How many restarts were folded."""
        return 0 if self._restarted is None else self._restarted["times"]

    def _choice(self, record: Mapping[str, Any]) -> _Choice:
        number = record.get("choice", 0)
        if number not in self._choices:
            self._choices[number] = _Choice()
        return self._choices[number]

    def settle(self) -> None:
        """Join the pieces that came since the last time: they take several times the room of what they hold."""
        for choice in self._choices.values():
            choice.settle()

    def to_record(self) -> dict[str, Any]:
        """Return the record that stands for all that were folded."""
        return {
            "type": "snapshot",
            "choices": [choice.to_dict(number) for number, choice in sorted(self._choices.items())],
            "usage": self._usage,
            "records": list(self._records.values()),
            "restarted": self._restarted,
        }
