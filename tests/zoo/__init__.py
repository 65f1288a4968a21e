"""Prune every network of ../shared/zoo at random and prove each result."""
