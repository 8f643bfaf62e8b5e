"""The measurements and what they are read from: every number that tables, figures and the report show."""
