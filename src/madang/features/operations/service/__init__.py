"""How the house is, and what was counted."""
