"""Op rules, one file a family."""
