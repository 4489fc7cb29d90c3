"""`python -m kizashi` is the command `kizashi`."""

import sys

from kizashi._commands import main

if __name__ == "__main__":
    sys.exit(main())
