"""Stream an answer, then tell when its first token came and what it cost."""

import os

import sseor


def main() -> None:
    with sseor.Client(base_url=os.environ.get("SSEOR_BASE_URL", "https://openrouter.ai/api/v1")) as client:
        question = [{"role": "user", "content": "Explain HTTP streaming in two sentences."}]
        with client.stream(model="openai/gpt-5-mini", messages=question) as stream:
            for event in stream:
                match event:
                    case sseor.Heartbeat(waited, phase):
                        print(f"[{phase}: {waited:.1f} s]")
                    case sseor.Text(delta):
                        print(delta, end="", flush=True)
        done = stream.completion
        print(
            f"\nfirst token after {done.timeline.ttft_ms:.0f} ms, all after {done.timeline.total_ms:.0f} ms"
        )
        print(f"model {done.model} at {done.provider}, {done.usage}")


if __name__ == "__main__":
    main()
