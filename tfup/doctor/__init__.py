"""What is wrong, why, and what repairs it: the known issues, the words of an error, and an environment."""
