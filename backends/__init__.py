"""Runtimes: open a model, run it, time it."""
