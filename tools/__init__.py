"""What keeps the repository in shape: linters, the scaffold, and the generated reference."""
