"""What brings a testbed's two hosts into being. One driver a file, behind :class:`middlebench.sites.base.Site`."""
