"""A tool is called, answered and used: the assistant's message goes back as it came."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from shells import KEY

import sseor
from sseor.testing import Call, Done, Finish, LoopbackServer, Role, Think, Usage, answer, in_turn, play

QUESTION = {"role": "user", "content": "When is low water in Brest?"}
CALLING = play(
    Role(),
    Think("Look it up."),
    Call("tide", '{"port":', '"Brest"}', id="call_1"),
    Finish("tool_calls"),
    Usage(),
    Done(),
)
TOOLS = [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}]


def checked(messages: list[dict[str, Any]]) -> None:
    """Check the second request's messages: the question, the call with its reasoning, the tool's answer."""
    question, assistant, tool = messages
    assert question == QUESTION
    assert assistant["role"] == "assistant"
    assert assistant["content"] is None
    (call,) = assistant["tool_calls"]
    assert call["id"] == "call_1"
    assert json.loads(call["function"]["arguments"]) == {"port": "Brest"}
    assert assistant["reasoning_details"][0]["text"] == "Look it up."
    assert tool == {"role": "tool", "tool_call_id": "call_1", "content": "14:07"}


def test_on_threads() -> None:
    """Stream, call the tool, send the message and the result back, stream the final text."""
    with LoopbackServer(in_turn(CALLING, play(*answer("At ", "14:07.")))) as server:
        with sseor.Client(api_key=KEY, base_url=server.base_url) as client:
            messages: list[Any] = [QUESTION]
            with client.stream(model="m", messages=messages, tools=TOOLS) as stream:
                calls = list(stream.tool_calls)
            messages += [stream.completion.message, *(sseor.tool_result(call, "14:07") for call in calls)]
            with client.stream(model="m", messages=messages, tools=TOOLS) as stream:
                assert "".join(stream.text) == "At 14:07."
        checked(server.requests[1].json()["messages"])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_async(backend: str) -> None:
    """The same on asyncio and trio."""

    async def main() -> None:
        async with sseor.AsyncClient(api_key=KEY, base_url=server.base_url) as client:
            messages: list[Any] = [QUESTION]
            async with client.stream(model="m", messages=messages, tools=TOOLS) as stream:
                calls = [call async for call in stream.tool_calls]
            messages += [stream.completion.message, *(sseor.tool_result(call, "14:07") for call in calls)]
            async with client.stream(model="m", messages=messages) as stream:
                assert "".join([text async for text in stream.text]) == "At 14:07."
        checked(server.requests[1].json()["messages"])

    with LoopbackServer(in_turn(CALLING, play(*answer("At ", "14:07.")))) as server:
        anyio.run(main, backend=backend)
