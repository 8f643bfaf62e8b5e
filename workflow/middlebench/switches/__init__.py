"""What joins ports. One driver a file, all behind :class:`middlebench.switches.base.Switch`."""
