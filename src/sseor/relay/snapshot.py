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
        self._clear()

    def _clear(self) -> None:
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
                call.update({name: record[name] for name in ("id", "name") if name in record})
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
                self._clear()
            case "snapshot":
                self._clear()
                self._choices = {state["choice"]: _Choice(state) for state in record["choices"]}
                self._usage = record["usage"]
                self._records = {own["type"]: own for own in record["records"]}
            case name if name not in PASSING:
                self._records[name] = record

    def _choice(self, record: Mapping[str, Any]) -> _Choice:
        return self._choices.setdefault(record.get("choice", 0), _Choice())

    def settle(self) -> None:
        """Join the pieces of texts, which take several times the room of what they hold."""
        for choice in self._choices.values():
            for pieces in (*choice.texts.values(), *choice.audio.values()):
                pieces[:] = ["".join(pieces)]

    def to_record(self) -> dict[str, Any]:
        """Return the record that stands for all that were folded."""
        return {
            "type": "snapshot",
            "choices": [choice.to_dict(number) for number, choice in sorted(self._choices.items())],
            "usage": self._usage,
            "records": list(self._records.values()),
        }
