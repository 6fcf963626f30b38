"""Language models and embeddings, by name, over one lean path."""
