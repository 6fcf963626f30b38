"""Madang: the self-hosted server behind AI chat products."""

__version__ = "0.1.0"
