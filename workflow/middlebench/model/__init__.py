"""Pure values: what a cell, a frame, a plan, a load, a record and an environment are. No host is known here."""
