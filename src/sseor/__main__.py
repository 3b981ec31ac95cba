"""`python -m sseor`, the same as the command `sseor`."""

import sys

from sseor.cli import main

sys.exit(main())
