"""Graph -> graph: channel analysis, criteria, selection, pruning."""
