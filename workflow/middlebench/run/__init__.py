"""What surrounds a run of the workflow: its plan and progress, who may run, and the archive of old records."""
