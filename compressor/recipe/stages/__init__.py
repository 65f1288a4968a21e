"""One stage of a recipe a file."""
