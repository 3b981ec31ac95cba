"""The life of one stream, without I/O and without a clock."""

from .retrying import RetryPolicy
from .script import Life, Script
from .settings import CompleteWhen, OnCut, Settings
from .settlement import Settlement
from .steps import Deliver, Expired, Failed, Head, Open, Pause, Read, Save, Step
from .watchdog import Phase, Timeouts, Watchdog

__all__ = [
    "CompleteWhen",
    "Deliver",
    "Expired",
    "Failed",
    "Head",
    "Life",
    "OnCut",
    "Open",
    "Pause",
    "Phase",
    "Read",
    "RetryPolicy",
    "Save",
    "Script",
    "Settings",
    "Settlement",
    "Step",
    "Timeouts",
    "Watchdog",
]
