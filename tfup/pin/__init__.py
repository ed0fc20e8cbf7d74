"""Stage 3, pin: every package exactly, each with its reason."""
