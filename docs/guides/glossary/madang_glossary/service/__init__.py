"""Use cases of the glossary."""
