"""What makes and counts traffic. One driver a file, behind :class:`middlebench.generators.base.Generator`."""
