"""``python -m trtnn``: the command line, as ``trtnn``."""

import sys

from trtnn.cli import main

sys.exit(main())
