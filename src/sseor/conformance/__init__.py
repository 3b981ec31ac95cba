"""Cases as data, and a runner that judges any SSE decoder by them, in whatever language it is written."""

from sseor.conformance.case_file import CaseFileError, load_cases, read_cases
from sseor.conformance.cases import FEATURES, Case
from sseor.conformance.judging import Finding, Result, Verdict
from sseor.conformance.process import AdapterError
from sseor.conformance.runner import Judge, Report, UnknownFeatureError, judge

__all__ = [
    "FEATURES",
    "AdapterError",
    "Case",
    "CaseFileError",
    "Finding",
    "Judge",
    "Report",
    "Result",
    "UnknownFeatureError",
    "Verdict",
    "judge",
    "load_cases",
    "read_cases",
]
