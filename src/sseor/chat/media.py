"""Images, audio and annotations of one choice: appended, joined, and each kept once."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

from sseor.chat import codec
from sseor.chat.events import Annotation, AudioDelta, Image
from sseor.chat.text import GrowingText, clean, clean_value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Annotations", "Audio", "GrowingAudio", "Images"]

_PADDED_RUN = re.compile(r"[^=]+=*")


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio of an answer: `encoded` is its base64, joined; `data` the bytes; `extra` other fields as sent."""

    id: str | None = None
    encoded: str = ""
    transcript: str = ""
    expires_at: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The bytes as far as they are whole; empty when the base64 is damaged."""
        decoded = []
        for run in _PADDED_RUN.findall(self.encoded):  # several runs when a server pads each piece
            digits = run.rstrip("=")
            digits = digits[: len(digits) - 1] if len(digits) % 4 == 1 else digits
            try:
                decoded.append(base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True))
            except binascii.Error:
                return b""
        return b"".join(decoded)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "id": self.id,
            "encoded": self.encoded,
            "transcript": self.transcript,
            "expires_at": self.expires_at,
            "extra": clean_value(dict(self.extra)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Audio:
        """Return the audio that `to_dict` wrote."""
        return cls(**data)


class GrowingAudio:
    """Audio while it grows."""

    __slots__ = ("_encoded", "_extra", "_transcript", "expires_at", "id", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.id: str | None = None
        self.expires_at: int | None = None
        self._encoded = StringIO()
        self._transcript = GrowingText()
        self._extra: dict[str, Any] = {}

    def add(self, raw: Mapping[str, Any], choice: int) -> AudioDelta | None:
        """Take `delta.audio`; None when it brings neither data nor transcript."""
        self.sent = True
        data = transcript = ""
        for key, value in raw.items():
            if key == "data" and type(value) is str:
                data = clean(value)
                self._encoded.write(data)
            elif key == "transcript" and type(value) is str:
                transcript = self._transcript.add(value)
            elif key == "id" and type(value) is str:
                self.id = clean(value)
            elif key == "expires_at" and type(value) is int:
                self.expires_at = value
            elif value is not None:
                self._extra[clean(key)] = clean_value(value)
        return AudioDelta(data, transcript, choice) if data or transcript else None

    def end(self) -> str:
        """Give up waiting for the second half of a surrogate pair in the transcript."""
        return self._transcript.end()

    def snapshot(self) -> Audio | None:
        """Return the audio as it stands; None when none was sent."""
        if not self.sent:
            return None
        return Audio(
            self.id, self._encoded.getvalue(), str(self._transcript), self.expires_at, dict(self._extra)
        )


class Images:
    """Images, each URL once."""

    __slots__ = ("_by_url", "choice")

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self._by_url: dict[str, Image] = {}

    def add(self, raw: Mapping[str, Any]) -> Image | None:
        """Take one entry; None for a repetition or an entry without a URL."""
        link = raw.get("image_url")
        url = link.get("url") if type(link) is dict else link
        if type(url) is not str or not url or clean(url) in self._by_url:
            return None
        image = Image(clean(url), self.choice, clean_value(dict(raw)))
        self._by_url[image.url] = image
        return image

    def snapshot(self) -> list[Image]:
        """Return the images in order of arrival."""
        return list(self._by_url.values())


class Annotations:
    """Annotations, each once: the same address and range, the same file, or the same object is a repetition."""

    __slots__ = ("_by_key", "choice")

    def __init__(self, choice: int) -> None:
        self.choice = choice
        self._by_key: dict[str, dict[str, Any]] = {}

    def add(self, raw: Mapping[str, Any]) -> Annotation | None:
        """Take one annotation; None for a repetition."""
        annotation = clean_value(dict(raw))
        key = codec.dumps(_identity(annotation)).decode()
        if key in self._by_key:
            return None
        self._by_key[key] = annotation
        return Annotation(annotation, self.choice)

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the annotations in order of arrival."""
        return [clean_value(annotation) for annotation in self._by_key.values()]


def _identity(annotation: dict[str, Any]) -> Any:
    kind = annotation.get("type")
    inner = annotation.get(kind) if type(kind) is str else None
    source = inner if type(inner) is dict else annotation
    if kind == "url_citation" and "url" in source:
        return [kind, source["url"], source.get("start_index"), source.get("end_index")]
    if kind == "file" and source.get("hash"):
        return [kind, source["hash"]]
    return sorted(annotation.items())
