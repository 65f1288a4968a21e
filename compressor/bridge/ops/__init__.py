"""Lowerings, one file a family; the registry walks this folder."""
