"""What the plugin hooks in, and nothing else: the one module the platform imports."""

from collections.abc import Sequence

from trophenix_sdk.events import EventType
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.operations import Operation
from trophenix_sdk.panels import Panel
from trophenix_sdk.permissions import Permission
from trophenix_sdk.settings import SettingsType

from acme_hello.operations import EVENTS, OPERATIONS, PERMISSIONS
from acme_hello.panels import PANELS
from acme_hello.settings import SETTINGS


@hookimpl
def operations() -> Sequence[Operation]:
    """What can be done."""
    return OPERATIONS


@hookimpl
def permissions() -> Sequence[Permission]:
    """What people may be allowed."""
    return PERMISSIONS


@hookimpl
def events() -> Sequence[EventType]:
    """What is announced."""
    return EVENTS


@hookimpl
def panels() -> Sequence[Panel]:
    """The page in the admin."""
    return PANELS


@hookimpl
def settings() -> Sequence[SettingsType]:
    """What a tenant may set."""
    return SETTINGS
