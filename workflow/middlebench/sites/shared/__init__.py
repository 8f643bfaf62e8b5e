"""What several site drivers use."""
