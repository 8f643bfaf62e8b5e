"""middlebench: measure chains of virtual middleboxes and publish the result.

Data flows one way: config → plan → live chain → trial → record → table → figures → report.
Modules below ``record`` know nothing of figures; ``analysis`` knows nothing of hosts.
"""

LABEL = "mbench"
"""Prefix of every bridge, port, namespace and domain that we create: clean-up goes by it."""
