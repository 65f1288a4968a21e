"""Studies: regimes x ratios x criteria x seeds x models from one recipe, by any number of worker processes."""
