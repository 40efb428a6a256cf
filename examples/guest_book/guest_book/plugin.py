"""What the kernel is told of this plugin; the only module it imports."""

from guest_book.operations import list_entries, write_entry
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.operations import Operation
from trophenix_sdk.permissions import Permission


@hookimpl
def operations() -> list[Operation]:
    """The use cases."""
    return [list_entries, write_entry]


@hookimpl
def permissions() -> list[Permission]:
    """What people may do, and from which role on they may by default."""
    return [
        Permission("entry.read", "Read the guest book", "viewer"),
        Permission("entry.write", "Write into the guest book", "member"),
    ]
