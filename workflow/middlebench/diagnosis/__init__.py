"""Where frames were dropped, what was busy, and what limited a trial: pure, from readings."""
