"""What several middlebox drivers share."""
