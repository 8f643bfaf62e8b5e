"""The verbs of the command line, by what they are for.

Imports stand inside the verbs: a cell's job should not wait for pandas.
"""
