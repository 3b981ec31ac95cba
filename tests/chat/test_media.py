"""Images, audio and annotations."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import pytest
from chat.assembling import assemble, chunk
from hypothesis import given
from hypothesis import strategies as st

from sseor.chat import Annotation, Audio, AudioDelta, Image
from sseor.chat.media import Annotations, Images

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG...").decode()


def image(url: Any, **fields: Any) -> dict[str, Any]:
    """Return an image entry."""
    return {"type": "image_url", "image_url": {"url": url}, **fields}


def test_images_are_kept_once() -> None:
    """The same URL again is a repetition; entries without a URL are none; a bare URL is understood."""
    images = Images(0)
    given = [image("u"), image("u", index=1), image("v"), {"image_url": "w"}, {}, image(None), image("")]
    found = [images.add(one) for one in given]
    assert [one.url for one in found if one] == ["u", "v", "w"]
    assert images.snapshot() == [one for one in found if one]


def test_an_image_in_the_content_parts() -> None:
    """An `image_url` part of the content is an image."""
    assembled = assemble(chunk({"content": [{"type": "text", "text": "a"}, image(PNG)]}))
    assert assembled.of(Image) == [Image(PNG)]
    assert assembled.completion.text == "a"


@pytest.mark.parametrize("delta", [{"data": "AA"}, {"transcript": "x"}])
def test_audio_is_generated(delta: dict[str, Any]) -> None:
    """Data or transcript is progress; id and expiry are not."""
    assembled = assemble(chunk({"audio": {"id": "a", "expires_at": 9}}), chunk({"audio": delta}))
    assert len(assembled.of(AudioDelta)) == 1
    assert assembled.completion.audio is not None
    assert (assembled.completion.audio.id, assembled.completion.audio.expires_at) == ("a", 9)


def test_the_last_id_and_expiry_win_and_other_fields_stay() -> None:
    """`id` and `expires_at` are replaced; what is unknown is in `extra`; wrong types are kept there too."""
    assembled = assemble(
        chunk({"audio": {"id": "a", "expires_at": 1}}),
        chunk({"audio": {"id": "b", "expires_at": 2, "format": "wav", "data": None, "transcript": 7}}),
    )
    assert assembled.completion.audio == Audio("b", "", "", 2, {"format": "wav", "transcript": 7})


def test_half_a_pair_at_the_end_of_the_transcript() -> None:
    """A held half is flushed as a piece of audio."""
    assembled = assemble(chunk({"audio": {"transcript": "a\ud83e"}}))
    assert assembled.of(AudioDelta) == [AudioDelta("", "a"), AudioDelta("", "\ufffd")]


@given(st.binary(max_size=40), st.lists(st.integers(1, 60), max_size=6))
def test_base64_cut_anywhere_decodes(data: bytes, cuts: list[int]) -> None:
    """The strings are joined before decoding, with or without padding."""
    encoded = base64.b64encode(data).decode()
    edges = [0, *sorted(min(cut, len(encoded)) for cut in cuts), len(encoded)]
    pieces = [encoded[a:b] for a, b in pairwise(edges)]
    assembled = assemble(
        chunk({"audio": {"id": "a"}}), *(chunk({"audio": {"data": piece}}) for piece in pieces)
    )
    assert assembled.completion.audio is not None
    assert assembled.completion.audio.data == data
    assert Audio(encoded=encoded.rstrip("=")).data == data


def test_audio_that_is_padded_piece_by_piece_damaged_or_cut() -> None:
    """Pieces with padding of their own decode one by one; damage gives nothing; a cut gives the whole bytes."""
    assert Audio(encoded="AA==AQ==").data == b"\x00\x01"
    assert Audio(encoded="A*==").data == b""
    assert Audio(encoded="AAECA").data == b"\x00\x01\x02"
    audio = Audio("a", "AA==", "x", 3, {"format": "wav"})
    assert Audio.from_dict(audio.to_dict()) == audio


def citation(url: str, **fields: Any) -> dict[str, Any]:
    """Return a citation."""
    return {"type": "url_citation", "url_citation": {"url": url, **fields}}


def test_annotations_are_kept_once() -> None:
    """The same address and range, the same file, the same object are repetitions; another range is not."""
    annotations = Annotations(0)
    given = [
        citation("u", start_index=0, end_index=3),
        citation("u", start_index=0, end_index=3, title="again"),
        citation("u", start_index=4, end_index=5),
        citation("u"),
        {"type": "file", "file": {"hash": "h", "name": "a"}},
        {"type": "file", "file": {"hash": "h", "name": "b"}},
        {"type": "file", "file": {"name": "c"}},
        {"type": "x", "x": 1},
        {"x": 1, "type": "x"},
        {"type": ["odd"]},
        {"type": "url_citation", "url": "flat"},
        {"type": "url_citation", "url": "flat", "title": "again"},
    ]
    found = [annotations.add(one) for one in given]
    assert [one is not None for one in found] == [
        True,
        False,
        True,
        True,
        True,
        False,
        True,
        True,
        False,
        True,
        True,
        False,
    ]
    assert annotations.snapshot() == [one.annotation for one in found if one]


def test_annotations_near_the_end() -> None:
    """Each new annotation is an event."""
    assembled = assemble(chunk({"content": "a"}), chunk({"annotations": [citation("u"), citation("u")]}))
    assert assembled.of(Annotation) == [Annotation(citation("u"))]
