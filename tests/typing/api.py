"""Code as a user writes it, for the type checker alone: it is never run."""

from __future__ import annotations

import sseor


def texts(client: sseor.Client) -> str:
    """Read the text of a stream."""
    with client.stream(model="m", messages=[{"role": "user", "content": "Hi"}], temperature=0.5) as stream:
        return "".join(stream.text)


def events(stream: sseor.Stream) -> float:
    """Match events; know the types of their parts."""
    waited = 0.0
    for event in stream:
        match event:
            case sseor.Text(delta, choice):
                print(delta.upper(), choice + 1)
            case sseor.Heartbeat(waited, phase):
                print(phase.upper())
            case sseor.ToolCallDone(call):
                print(call.name.upper(), call.complete)
            case sseor.Finished(reason):
                print(reason.upper())
            case _:
                pass
    return waited


async def chunks(client: sseor.AsyncClient) -> int:
    """Read chunks in async."""
    total = 0
    async with client.stream(model="m", messages=[{"role": "user", "content": "Hi"}]) as stream:
        async for chunk in stream.chunks:
            total += len(chunk.choices[0].delta.content or "")
            if chunk.usage is not None:
                total += chunk.usage.prompt_tokens or 0
    return total


def finished(completion: sseor.Completion) -> str:
    """Look at a completion."""
    when = completion.timeline.ttft_ms
    return f"{completion.text.upper()} {completion.verdict} {when}"


def settled(client: sseor.Client, partial: sseor.Completion) -> str:
    """Settle an answer, and keep it."""
    settlement = client.settle(partial, patience=60)
    sseor.save(partial, "answer.json")
    cost = settlement.cost or 0.0
    counted = settlement.usage.completion_tokens if settlement.usage is not None else None
    return f"{settlement.label.upper()} {cost + 1} {counted} {sseor.load('answer.json').text.upper()}"


def failed(error: sseor.errors.StallError) -> float:
    """Look at an error."""
    return error.waited + (len(error.partial.text) if error.partial is not None else 0)
