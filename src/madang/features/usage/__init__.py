"""What models cost, who pays, and how much they may spend."""
