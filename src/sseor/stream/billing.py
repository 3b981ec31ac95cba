"""Which providers go on, and bill, when a client leaves (OpenRouter docs, API Streaming, "Stream Cancellation")."""

from __future__ import annotations

import re

_STOP = """
    AnyScale Anthropic Avian Azure Chutes Cloudflare Cohere DeepInfra DeepSeek Fireworks Friendli Hyperbolic
    Infermatic Lepton Liquid Mancer Nineteen Novita OctoAI OpenAI Recursal SFCompute Together xAI
"""
_RUN_ON = """
    AI21 AionLabs Alibaba AmazonBedrock AWSBedrock Featherless Google GoogleAIStudio GoogleVertex Groq HuggingFace
    InferenceNet Inflection Kluster Lambda Lynn Minimax Mistral Modal Nebius Perplexity Reflection Replicate
    SambaNova Targon ZeroOneAI
"""


def _key(name: str) -> str:
    """Return a name as it is compared: the page and the wire differ in case, blanks and dots."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_STOPPING = frozenset(map(_key, _STOP.split()))
_RUNNING_ON = frozenset(map(_key, _RUN_ON.split()))


def stops_when_left(provider: str | None) -> bool | None:
    """Tell whether a provider stops, and stops billing, when the client leaves; None when that is not known."""
    key = _key(provider or "")
    if key in _STOPPING:
        return True
    return False if key in _RUNNING_ON else None


def warning_when_left(provider: str | None) -> str:
    """Return what to say of the cost of an answer that was cut or left early, "" for nothing."""
    stops = stops_when_left(provider)
    if stops:
        return ""
    if provider is None:
        return "the provider is not known: the whole answer may be billed although it was not received"
    if stops is None:
        return (
            f"it is not known whether {provider} stops when a client leaves: the whole answer may be billed"
        )
    return f"{provider} does not stop when a client leaves: the whole answer is billed"
