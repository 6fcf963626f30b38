"""Second factors: what they are, how they are proved, and the ways without them."""
