"""Organisations, partners and classes: who belongs to which, as what."""
