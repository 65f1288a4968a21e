"""Figures that are worth following over time: `python -m tests.benchmarks [speed|kept|resnet20]`."""
