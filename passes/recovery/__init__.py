"""Recovery without training: what the removed channels did is given to those that stayed, layer by layer."""
