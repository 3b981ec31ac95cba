"""Stream two answers at once, on asyncio."""

import asyncio
import os

import sseor

MODELS = ("openai/gpt-5-mini", "anthropic/claude-haiku-4.5")


async def answer(client: sseor.AsyncClient, model: str) -> str:
    question = [{"role": "user", "content": "Explain HTTP streaming in two sentences."}]
    async with client.stream(model=model, messages=question) as stream:
        return "".join([text async for text in stream.text])


async def main() -> None:
    base_url = os.environ.get("SSEOR_BASE_URL", "https://openrouter.ai/api/v1")
    async with sseor.AsyncClient(base_url=base_url) as client:
        answers = await asyncio.gather(*(answer(client, model) for model in MODELS))
    for model, text in zip(MODELS, answers, strict=True):
        print(f"{model}: {text}")


if __name__ == "__main__":
    asyncio.run(main())
