"""One generation: what is kept of it, also in a file."""

from __future__ import annotations

import json

from chat.assembling import assemble, chunk

from sseor.chat import Completion, Generation, Usage
from sseor.errors import EndedEarlyError


def test_a_generation_tells_what_it_was() -> None:
    """It holds the id, who served, what it cost, how it ended and how much it gave."""
    completion = assemble(
        chunk({"content": "Hello"}, model="m", provider="P"),
        chunk(finish="stop", usage={"cost": 0.1}),
    ).completion
    assert Generation.of(completion) == Generation("gen-1", "m", "P", Usage({"cost": 0.1}), "stop", 5)


def test_an_error_is_kept_as_its_class_and_sentence() -> None:
    """Whoever reads the list sees why a generation ended."""
    assert Generation.of(Completion(), EndedEarlyError("cut")).error == "EndedEarlyError: cut"


def test_a_generation_goes_into_a_file_and_back() -> None:
    """Nothing is lost, and fields of newer versions are left out."""
    for generation in (Generation(), Generation("g", "m", "p", Usage({"cost": 1}), "length", 3, "X: y")):
        written = json.loads(json.dumps(generation.to_dict()))
        assert Generation.from_dict({**written, "later": 1}) == generation
