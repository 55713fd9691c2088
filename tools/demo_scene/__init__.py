"""The scene of `make demo`: what stands on the table, and its rendering by a path tracer."""
