"""What the recruitment module hooks in."""

from collections.abc import Sequence

from trophenix_recruitment import events as facts
from trophenix_recruitment.operations import athletes, bulk, demo
from trophenix_recruitment.permissions import PERMISSIONS
from trophenix_sdk.events import EventType
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.operations import Operation
from trophenix_sdk.permissions import Permission


@hookimpl
def operations() -> Sequence[Operation]:
    """Everything that can be done with athletes."""
    return (*athletes.OPERATIONS, *bulk.OPERATIONS, *demo.OPERATIONS)


@hookimpl
def permissions() -> Sequence[Permission]:
    """What people may be allowed."""
    return PERMISSIONS


@hookimpl
def events() -> Sequence[EventType]:
    """What is announced."""
    return facts.EVENTS
