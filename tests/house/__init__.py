"""Rules about the code itself: who imports whom, what ships, how long a file is."""
