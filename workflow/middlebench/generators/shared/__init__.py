"""What several generators use: scripts that run on the test computer, and how they are asked."""
