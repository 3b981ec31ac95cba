"""Figures of streams, kept over time: a log on SQLite, statistics over it, a page, and OpenTelemetry.

`docs/metrics.md` defines every figure. No prompt, no answer and no key is ever kept.
"""

from sseor.metrics.log import MetricsLog, default_path
from sseor.metrics.record import Record
from sseor.metrics.statistics import Summary, summarize

__all__ = ["MetricsLog", "Record", "Summary", "default_path", "summarize"]
