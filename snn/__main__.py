"""`python -m snn`: the command line, warm where there is a warm process to hand it to."""

import os
import sys

from snn.runtime import warm


def main() -> int:
    os.environ.setdefault("MPLBACKEND", "agg")
    status = warm.hand_over(sys.argv[1:])
    if status is not None:
        return status
    warm.import_often()
    from snn.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
