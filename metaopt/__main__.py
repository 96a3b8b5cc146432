"""``python -m metaopt``: the same as ``metaopt``."""

import sys

from metaopt.cli import main

sys.exit(main())
