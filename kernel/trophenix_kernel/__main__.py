"""`python -m trophenix_kernel` is the `trophenix` command."""

import sys

from trophenix_kernel.cli import main

if __name__ == "__main__":
    sys.exit(main())
