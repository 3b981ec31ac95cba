"""Events to meaning: chunks, their assembly, and what a stream hands out."""
