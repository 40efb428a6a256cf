"""What the recruitment module hooks in."""

from collections.abc import Sequence

from trophenix_recruitment import events as facts
from trophenix_recruitment.operations import (
    athletes,
    bulk,
    demo,
    desk,
    duplicates,
    exports,
    imports,
    statistics,
)
from trophenix_recruitment.panels import PANELS, WIDGETS
from trophenix_recruitment.permissions import PERMISSIONS
from trophenix_sdk.events import EventType
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.operations import Operation
from trophenix_sdk.panels import Contribution, Widget
from trophenix_sdk.permissions import Permission


@hookimpl
def operations() -> Sequence[Operation]:
    """Everything that can be done with athletes."""
    return (
        *athletes.OPERATIONS,
        *bulk.OPERATIONS,
        *imports.OPERATIONS,
        *duplicates.OPERATIONS,
        *exports.OPERATIONS,
        *statistics.OPERATIONS,
        *desk.OPERATIONS,
        *demo.OPERATIONS,
    )


@hookimpl
def permissions() -> Sequence[Permission]:
    """What people may be allowed."""
    return PERMISSIONS


@hookimpl
def events() -> Sequence[EventType]:
    """What is announced."""
    return facts.EVENTS


@hookimpl
def panels() -> Sequence[Contribution]:
    """The pages in the admin."""
    return PANELS


@hookimpl
def widgets() -> Sequence[Widget]:
    """What the dashboard shows."""
    return WIDGETS
