"""How the house is: health and metrics."""
