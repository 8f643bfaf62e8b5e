"""What a publication claims, as tests, and the verdict on each."""
