"""`python -m snn`: the command line."""

import os
import sys

from snn.cli import main

if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    sys.exit(main())
