"""What touches a live testbed: convergence, trials, searches, controls, provision."""
