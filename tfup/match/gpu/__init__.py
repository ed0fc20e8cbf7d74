"""What a GPU needs of a build, and a build of a GPU."""
