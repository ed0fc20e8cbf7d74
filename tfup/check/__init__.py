"""Stage 5, check: what was installed is proved by running it."""
