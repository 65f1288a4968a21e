"""Plots as shapes with coordinates, which the page draws as SVG."""
