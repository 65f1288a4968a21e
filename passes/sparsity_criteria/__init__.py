"""What a single weight is worth, one file each."""
