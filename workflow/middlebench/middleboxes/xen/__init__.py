"""The driver ``xen``: middleboxes as Xen domains, booting ClickOS or Linux."""

from middlebench.middleboxes.xen.driver import Options

__all__ = ["Options"]
