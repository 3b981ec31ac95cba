"""Log what streams take and cost, tell it of the last one, and sum it up per model."""

import os
import time

import sseor
from sseor.metrics import summarize

DAY = 86_400


def main() -> None:
    base_url = os.environ.get("SSEOR_BASE_URL", "https://openrouter.ai/api/v1")
    with sseor.MetricsLog() as log, sseor.Client(base_url=base_url, metrics=log) as client:
        question = [{"role": "user", "content": "Explain HTTP streaming in two sentences."}]
        with client.stream(model="openai/gpt-5-mini", messages=question) as stream:
            for text in stream.text:
                print(text, end="", flush=True)
        found = stream.completion.timeline.metrics()
        print(f"\nfirst token after {found.ttft_ms:.0f} ms, all after {found.total_ms:.0f} ms")
        print(f"{found.output_tokens} tokens, longest gap {found.gap_max_ms:.0f} ms, ${found.cost}")

        now = time.time()
        for one in summarize(log.records(since=now - DAY), since=now - DAY, until=now):
            print(f"{one.group[0]}: {one.count} streams, median {one.ttft.p50:.0f} ms")


if __name__ == "__main__":
    main()
