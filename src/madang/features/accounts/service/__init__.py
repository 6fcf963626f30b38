"""Use cases of accounts: registration, signing in and staying signed in, people, invites."""
