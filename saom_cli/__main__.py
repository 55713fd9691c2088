"""`python -m saom_cli COMMAND ...`: the same as `saom COMMAND ...`."""

import sys

from saom_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
