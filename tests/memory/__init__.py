"""An in-memory testbed: a driver of each protocol that nothing real stands behind, for tests of what uses them.

It shows how the library behaves when a part says or does something, in milliseconds. It says nothing
about how real parts behave: that is what the contract suites are for.
"""
