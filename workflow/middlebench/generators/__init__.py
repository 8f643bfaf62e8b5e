"""What makes and counts traffic. One driver a folder, behind :class:`middlebench.generators.base.Generator`."""
