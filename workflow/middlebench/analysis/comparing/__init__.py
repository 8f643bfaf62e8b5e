"""Datasets beside each other, never pooled.

``equivalence`` the same cells in two datasets · ``other_results`` anyone's results beside one's own · ``history`` one
testbed over time.
"""
