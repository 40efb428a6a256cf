"""What the kernel's own operations work with."""

from __future__ import annotations

from typing import cast

from trophenix_kernel.access.authority import Authority
from trophenix_kernel.access.decisions import Decisions
from trophenix_kernel.identity.credentials import Credentials
from trophenix_kernel.operations.call import Call
from trophenix_kernel.operations.hooks import Hooks
from trophenix_kernel.plugins.activations import Activations
from trophenix_kernel.plugins.model import PluginCatalogue
from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.platform import Platform
from trophenix_kernel.tenancy.directory import Directory


class Services:
    """The platform's parts, composed once per process.

    Attributes:
        catalogue: the installed plugins and their states.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        clusters: Clusters,
        directory: Directory,
        credentials: Credentials,
        decisions: Decisions,
        activations: Activations,
        authority: Authority,
        catalogue: PluginCatalogue,
        hooks: Hooks,
    ) -> None:
        self.platform = platform
        self.clusters = clusters
        self.directory = directory
        self.credentials = credentials
        self.decisions = decisions
        self.activations = activations
        self.authority = authority
        self.catalogue = catalogue
        self.hooks = hooks


def services(ctx: Call) -> Services:
    """The services behind a kernel operation's call."""
    return cast("Services", ctx.pipeline.services)
