"""``python -m middlebench``."""

import sys

from middlebench.cli import main

sys.exit(main())
