"""Conversations: sessions, messages and the answers to them."""
