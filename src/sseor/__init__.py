"""Streams LLM answers from OpenRouter and compatible servers over raw HTTP."""
