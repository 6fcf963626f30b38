"""Ways into operations."""
