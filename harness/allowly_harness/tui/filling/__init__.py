"""Forms on the full screen, and what servers ask for with them."""
