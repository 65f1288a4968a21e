"""Random graphs from the ruled ops, random removals, and faults injected into the rules."""
