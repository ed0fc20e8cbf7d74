"""Stage 2, match: the build that really fits a machine and a wish."""
