"""``why``: where the time of a run goes, op by op as the runtime fused them, and what would help."""
