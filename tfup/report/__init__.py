"""What people and programs are told: the only room that prints."""
