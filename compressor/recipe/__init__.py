"""Recipes: a whole compression in one file, stage by stage, each cached; ``compressor run`` carries them out."""
