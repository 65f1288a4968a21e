"""Criteria: what a channel is worth, one file each."""
