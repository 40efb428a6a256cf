"""PostgreSQL, NATS and supervised programs on one machine that has Python and nothing else.

`databases` and `throwaway` are imported by name: tests need them, the product does not.
"""

from trophenix_kernel.runtime.budget import RestartBudget
from trophenix_kernel.runtime.console import Console
from trophenix_kernel.runtime.errors import RuntimeFailure
from trophenix_kernel.runtime.lock import DirectoryLock
from trophenix_kernel.runtime.nats import EmbeddedNats
from trophenix_kernel.runtime.part import Program
from trophenix_kernel.runtime.postgres import EmbeddedPostgres
from trophenix_kernel.runtime.supervisor import Supervisor

__all__ = [
    "Console",
    "DirectoryLock",
    "EmbeddedNats",
    "EmbeddedPostgres",
    "Program",
    "RestartBudget",
    "RuntimeFailure",
    "Supervisor",
]
