"""Latency budgets: tables measured on the runtime, the goal, and the loop that meets it."""
