"""Where commands run. One driver a file, all behind :class:`middlebench.hosts.base.Host`."""
