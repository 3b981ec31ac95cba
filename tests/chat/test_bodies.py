"""The example bodies: what each must give, whole, bytewise and cut anywhere (the table beside them)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from chat.assembling import STREAMS, Assembled, read_body

from sseor.chat import (
    Annotation,
    AudioDelta,
    Completion,
    Finished,
    Image,
    Reasoning,
    Text,
    ToolCallDone,
    UsageReport,
    codec,
)

EXPECTED: dict[str, dict[str, Any]] = {
    "01-text-comments-usage-repeats-finish": {
        "text": "Les marées de vive-eau reviennent tous les 14,8 jours 🌊.",
        "finish_reason": "stop",
        "usage": (21, 17, 38),
        "cost": 0.00005505,
    },
    "02-reasoning-late-signature": {
        "text": "Yes: 289 is 17 squared.",
        "reasoning": "17 is odd, and 289 = 17², so yes.",
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
        "usage": (38, 46, 84),
        "cost": 0.000804,
    },
    "03-tool-call-fragments": {
        "text": "Let me look.",
        "finish_reason": "tool_calls",
        "usage": (212, 31, 243),
    },
    "04-parallel-tool-calls": {"text": "", "finish_reason": "tool_calls", "usage": (98, 40, 138)},
    "05-error-mid-stream": {"text": "Spring tides happen when the Sun, the Moon", "finish_reason": "error"},
    "06-error-as-first-event": {"text": "", "finish_reason": None},
    "07-length-in-reasoning": {
        "text": "",
        "reasoning": "The user wants a sonnet. Fourteen lines, iambic… First quatrain: the harbour at ",
        "finish_reason": "length",
        "native_finish_reason": "max_tokens",
        "usage": (33, 64, 97),
    },
    "08-usage-with-empty-choices": {
        "text": "42",
        "finish_reason": "stop",
        "usage": (9, 2, 11),
        "cost": 5.7e-07,
    },
    "09-web-annotations": {
        "text": "The coefficient is 92 on Tuesday. Beware of gales.",
        "finish_reason": "stop",
        "usage": (1420, 22, 1442),
    },
    "10-debug-and-router-metadata": {"text": "Hi!", "finish_reason": "stop", "usage": (11, 2, 13)},
    "11-cut-without-finish": {"text": "1. Check the moorings.\n2. Double", "finish_reason": None},
    "12-image": {
        "text": "Here is a red pixel.",
        "finish_reason": "stop",
        "native_finish_reason": "STOP",
        "usage": (12, 1296, 1308),
    },
    "13-audio": {"text": "", "finish_reason": "stop", "usage": (19, 28, 47)},
    "16-legacy-completions": {"text": "the tide comes in", "finish_reason": "length", "usage": (6, 4, 10)},
}


def body_of(name: str) -> bytes:
    """Return an example body."""
    return (STREAMS / f"{name}.sse").read_bytes()


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("decoder", ["json", "orjson", "msgspec"])
def test_each_body_gives_what_its_table_says(name: str, decoder: str) -> None:
    """Text, reasoning, finish reasons, usage and cost are those of the table, with every JSON decoder."""
    codec.select(decoder)
    try:
        assembled = read_body(body_of(name))
    finally:
        codec.select()
    completion, expected = assembled.completion, EXPECTED[name]
    for field in ("text", "finish_reason"):
        assert getattr(completion, field) == expected[field]
    assert completion.reasoning == expected.get("reasoning", "")
    if "native_finish_reason" in expected:
        assert completion.native_finish_reason == expected["native_finish_reason"]
    if "cost" in expected:
        assert completion.cost == expected["cost"]
    usage = completion.usage
    counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    assert counts == expected.get("usage")
    assert completion.generation_id is not None
    assert completion.generation_id.startswith("gen-")


@pytest.mark.parametrize("name", EXPECTED)
def test_cuts_change_nothing(name: str) -> None:
    """Whole, byte by byte and in random pieces, a body gives the same events and the same completion."""
    body = body_of(name)
    whole = read_body(body)
    chance = random.Random(name)
    ways = [
        range(len(body)),
        *([chance.randrange(len(body)) for _ in range(chance.randint(1, 40))] for _ in range(25)),
    ]
    for cuts in ways:
        pieces = read_body(body, cuts)
        assert pieces.events == whole.events
        assert pieces.completion == whole.completion


@pytest.mark.parametrize("name", EXPECTED)
def test_the_events_join_to_the_completion(name: str) -> None:
    """The pieces of the events are the text and the reasoning; finish and usage are announced at most once."""
    assembled = read_body(body_of(name))
    completion = assembled.completion
    assert "".join(event.delta for event in assembled.of(Text)) == completion.text
    assert "".join(event.delta for event in assembled.of(Reasoning)) == completion.reasoning
    assert [event.call for event in assembled.of(ToolCallDone)] == completion.tool_calls
    assert len(assembled.of(UsageReport)) == (completion.usage is not None)
    announced = [] if completion.finish_reason in (None, "error") else [Finished(completion.finish_reason)]
    assert assembled.of(Finished) == announced


@pytest.mark.parametrize("name", EXPECTED)
def test_a_body_cut_anywhere_keeps_a_beginning(name: str) -> None:
    """A body that ends early, inside an event or a character too, gives a beginning of the text, nothing made up."""
    body = body_of(name)
    text = EXPECTED[name]["text"]
    for end in random.Random(name).sample(range(len(body)), 60):
        cut = read_body(body[:end])
        assert text.startswith(cut.completion.text)
        assert "\ufffd" not in cut.completion.text
        assert cut.accumulator.finished <= (EXPECTED[name]["finish_reason"] is not None)


@pytest.mark.parametrize("name", EXPECTED)
def test_completions_of_the_bodies_round_trip(name: str) -> None:
    """`from_dict` gives an equal completion, also through JSON."""
    completion = read_body(body_of(name)).completion
    assert Completion.from_dict(codec.loads_exact(codec.dumps(completion.to_dict()).decode())) == completion


def assembled_body(number: str) -> Assembled:
    """Read the body whose name begins so."""
    return read_body(body_of(next(name for name in EXPECTED if name.startswith(number))))


def test_01_is_done_with_five_texts_and_one_finish() -> None:
    """Five text events, one finish although it is repeated; nothing is missing at the end."""
    assembled = assembled_body("01")
    assert len(assembled.of(Text)) == 5
    assert (assembled.reader.done, assembled.accumulator.finished, assembled.reader.truncated) == (
        True,
        True,
        False,
    )


def test_02_merges_one_signed_entry() -> None:
    """The reasoning fragments are one entry with the late signature, ready to go back."""
    completion = assembled_body("02").completion
    entry = {
        "type": "reasoning.text",
        "text": "17 is odd, and 289 = 17², so yes.",
        "format": "anthropic-claude-v1",
        "index": 0,
        "signature": "EqoBCkgIBxABGAIiQL7vY3d0c2lnbmF0dXJlLWV4YW1wbGUtb25seQ==",
    }
    assert completion.reasoning_details == [entry]
    assert completion.message["reasoning_details"] == [entry]
    assert completion.usage is not None
    assert completion.usage.reasoning_tokens == 21


def test_03_and_04_give_the_tool_calls() -> None:
    """Slices are joined; three parallel calls stay apart, the one without arguments is `{}`."""
    (one,) = assembled_body("03").completion.tool_calls
    assert (one.id, one.name, one.arguments) == (
        "call_8f21c0",
        "tide_at",
        '{"port": "Brest", "date": "2026-11-22"}',
    )
    calls = assembled_body("04").completion.tool_calls
    assert [(call.id, call.name, call.parsed) for call in calls] == [
        ("call_A1", "weather", {"city": "Nantes"}),
        ("call_B2", "weather", {"city": "Łódź"}),
        ("call_C3", "now", {}),
    ]
    assert assembled_body("04").completion.message["content"] is None


def test_05_and_06_are_failures_with_what_came_before() -> None:
    """An error after text keeps the text; an error as first event has its hint, and nothing was generated."""
    late, first = assembled_body("05"), assembled_body("06")
    failure = late.accumulator.failure
    assert failure is not None
    assert (failure.code, failure.error_type, failure.native) == (502, "provider_unavailable", "stream_reset")
    assert (failure.retryable, late.accumulator.generated, late.accumulator.finished) == (True, True, False)
    failure = first.accumulator.failure
    assert failure is not None
    assert (failure.code, failure.error_type, failure.retry_after) == (429, "rate_limit_exceeded", 9.0)
    assert (failure.provider, first.accumulator.generated) == ("Chutes", False)


def test_09_has_two_annotations() -> None:
    """Citations come in order, the second with only its address; the tool counter is in the usage."""
    assembled = assembled_body("09")
    urls = [entry["url_citation"]["url"] for entry in assembled.completion.annotations]
    assert urls == ["https://maree.example/brest", "https://port.example/avis"]
    assert [event.annotation for event in assembled.of(Annotation)] == assembled.completion.annotations
    assert assembled.completion.usage is not None
    assert assembled.completion.usage.server_tool_use == {"web_search_requests": 1}


def test_10_keeps_the_prompt_out_of_sight() -> None:
    """Router metadata is kept; the debug chunks that echo the prompt are in no repr and no completion."""
    assembled = assembled_body("10")
    completion = assembled.completion
    assert completion.router_metadata is not None
    assert [attempt["status"] for attempt in completion.router_metadata["attempts"]] == [503, 200]
    shown = repr(assembled.chunks) + repr(completion) + repr(completion.to_dict())
    assert "Say hi" not in shown
    assert assembled.chunks[0].raw["debug"]["echo_upstream_body"]["messages"]


def test_11_is_not_finished() -> None:
    """A clean end without a finish reason leaves the verdict incomplete."""
    assembled = assembled_body("11")
    assert not assembled.accumulator.finished
    assert not assembled.completion.verdict.complete
    assert not assembled.reader.done


def test_12_has_one_image() -> None:
    """The image is whole, a PNG, and goes back in the message."""
    assembled = assembled_body("12")
    (image,) = assembled.completion.images
    assert image.media_type == "image/png"
    assert image.data is not None
    assert image.data.startswith(b"\x89PNG")
    assert assembled.of(Image) == [image]
    assert assembled.completion.message["images"][0]["image_url"]["url"] == image.url


def test_13_joins_the_audio_before_decoding() -> None:
    """Base64 cut at odd places decodes to the thirty bytes; transcript and expiry are kept."""
    assembled = assembled_body("13")
    audio = assembled.completion.audio
    assert audio is not None
    assert audio.data == bytes(range(0x1E))
    assert (audio.id, audio.transcript, audio.expires_at) == ("audio_691f", "Fair winds.", 1795356801)
    assert "".join(event.transcript for event in assembled.of(AudioDelta)) == "Fair winds."
    assert assembled.completion.message["audio"] == {"id": "audio_691f"}
