"""What surrounds a run of the workflow: its plan and progress, who may run, and what is set aside."""
