"""What forwards. One driver a file, all behind :class:`middlebench.middleboxes.base.Middleboxes`."""
