"""What several host drivers, or drivers of other protocols, ask of a host."""
