"""The measurements of the instrument itself: no chain, and a bridge alone."""
