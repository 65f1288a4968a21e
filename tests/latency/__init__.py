"""Tests of latency budgets."""
