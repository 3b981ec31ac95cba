"""To the browser: an async iterator of events, served to any number of viewers. `docs/relay.md` has the protocol."""
