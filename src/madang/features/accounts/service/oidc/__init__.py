"""Signing in at OpenID Connect providers, and what their groups make of somebody."""
