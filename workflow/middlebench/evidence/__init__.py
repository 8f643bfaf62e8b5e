"""What a trial leaves behind besides its counts: where packets died, what was busy, and what limited it."""
