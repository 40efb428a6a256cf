"""The command line: `trophenix up | web | worker | scheduler | migrate | plugins | tenants | call | doctor`."""

from trophenix_kernel.cli.command import main

__all__ = ["main"]
