"""Stream an answer and print its usage: OPENROUTER_API_KEY=… python examples/basic.py."""

import os

import sseor


def main() -> None:
    with sseor.Client(base_url=os.environ.get("SSEOR_BASE_URL", "https://openrouter.ai/api/v1")) as client:
        question = [{"role": "user", "content": "Explain HTTP streaming in two sentences."}]
        with client.stream(model="openai/gpt-5-mini", messages=question) as stream:
            for text in stream.text:
                print(text, end="", flush=True)
        usage = stream.completion.usage
        if usage is not None:
            print(f"\n{usage.prompt_tokens} + {usage.completion_tokens} tokens, ${usage.cost}")


if __name__ == "__main__":
    main()
