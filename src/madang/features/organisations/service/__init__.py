"""What organisations does."""
