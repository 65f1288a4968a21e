"""Latency as a function of how many channels each space keeps, and choosing them under a budget."""
