"""The version, read by the build and by `sseor --version`."""

__version__ = "0.1.0"
