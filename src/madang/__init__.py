"""Madang: the self-hosted server behind AI chat products."""
