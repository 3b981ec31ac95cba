"""The hands of a stream: the shells for threads and for async, and the only floor that speaks HTTP."""
