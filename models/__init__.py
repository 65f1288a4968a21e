"""Small PyTorch networks to try, test and demonstrate with."""
