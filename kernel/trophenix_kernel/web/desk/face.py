"""What is the same for every page of a process: templates, assets, the theme, and what plugins contribute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from trophenix_kernel.operations.registry import KERNEL
from trophenix_kernel.panels import Assets, Environment, build_environment
from trophenix_kernel.plugins.model import PluginCatalogue
from trophenix_kernel.themes import default_choices, stylesheet
from trophenix_kernel.web.static import theme_address
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import Col, Filter, ImportScreen, Panel, Screen, nav

_ = gettext_lazy("kernel")

DOORS: Final = {
    "panel": _("Pages"),
    "http": _("API"),
    "job": _("Background work"),
    "cli": _("Command line"),
}
STATUSES: Final = {
    "queued": _("Waiting"),
    "running": _("Running"),
    "succeeded": _("Finished"),
    "failed": _("Failed"),
    "cancelled": _("Cancelled"),
}
AUDIT: Final = Panel(
    slug="audit",
    label=_("Change"),
    label_plural=_("Audit log"),
    description=_("Every change, who made it and through which door."),
    icon="scroll-text",
    group=nav.ORGANISATION,
    list="audit.list",
    id="id",
    title="summary",
    columns=(
        Col("at", _("When"), kind="datetime"),
        Col("actor_name", _("Who"), kind="person", hide="phone"),
        Col("summary", _("What"), sub="operation"),
        Col("target", _("On what"), kind="code", hide="laptop"),
        Col("door", _("Through"), kind="badge", labels=DOORS, hide="tablet"),
    ),
)
JOBS: Final = Panel(
    slug="jobs",
    label=_("Job"),
    label_plural=_("Background work"),
    description=_("Work that runs on its own, and what came of it."),
    icon="cog",
    group=nav.ORGANISATION,
    list="job.list",
    id="id",
    title="operation",
    filters=(Filter("status", _("Status"), labels=STATUSES),),
    columns=(
        Col("operation", _("What"), kind="code"),
        Col(
            "status",
            _("Status"),
            kind="badge",
            labels=STATUSES,
            tones={
                "succeeded": "ok",
                "failed": "bad",
                "running": "info",
                "queued": "neutral",
                "cancelled": "warn",
            },
        ),
        Col("done", _("Progress"), kind="progress", of="total", hide="phone"),
        Col("created_at", _("Since"), kind="ago", hide="tablet"),
    ),
)


class Contributed(msgspec.Struct, frozen=True):
    """What one plugin brings to the admin.

    Attributes:
        domain: its message catalogue and template prefix: the id's last word.
    """

    plugin_id: str
    name: Any
    icon: str
    panels: tuple[Panel, ...] = ()
    screens: tuple[Screen, ...] = ()
    imports: tuple[ImportScreen, ...] = ()
    widgets: tuple[Any, ...] = ()

    @property
    def domain(self) -> str:
        """Its message catalogue."""
        return self.plugin_id.rpartition(".")[2]

    def panel(self, slug: str) -> Panel | None:
        """The panel of this slug."""
        return next((panel for panel in self.panels if panel.slug == slug), None)

    def screen(self, slug: str) -> Screen | None:
        """The screen of this slug."""
        return next((screen for screen in self.screens if screen.slug == slug), None)

    def import_of(self, panel: str, slug: str) -> ImportScreen | None:
        """The import screen of a panel."""
        return next((one for one in self.imports if one.panel == panel and one.slug == slug), None)


class Face:
    """Built once per process."""

    def __init__(self, catalogue: PluginCatalogue) -> None:
        self.contributed = {KERNEL: Contributed(KERNEL, "Trophenix", "settings", (AUDIT, JOBS))}
        folders: dict[str, dict[str, Path]] = {"static": {}, "templates": {}, "locales": {}}
        for one in _contributions(catalogue, folders):
            self.contributed[one.plugin_id] = one
        self.assets = Assets(folders=folders["static"], base="/assets")
        self.environment: Environment = build_environment(
            self.assets, templates=folders["templates"], locales=folders["locales"]
        )
        self.sheet = stylesheet(default_choices(), self.assets.href)
        self.theme_href = theme_address(self.sheet)


def _contributions(
    catalogue: PluginCatalogue, folders: dict[str, dict[str, Path]]
) -> Iterator[Contributed]:
    for record in catalogue.serving:
        if record.id is None or record.manifest is None:
            continue
        values = [item.value for item in record.contributions.panels]
        widgets = [item.value for item in record.contributions.widgets]
        one = Contributed(
            record.id,
            record.manifest.plugin.name,
            record.manifest.plugin.icon or "puzzle",
            tuple(value for value in values if isinstance(value, Panel)),
            tuple(value for value in values if isinstance(value, Screen)),
            tuple(value for value in values if isinstance(value, ImportScreen)),
            tuple(
                value
                for value in [*values, *widgets]
                if not isinstance(value, (Panel, Screen, ImportScreen))
            ),
        )
        for kind, found in folders.items():
            folder = Path(record.package_path) / kind
            if folder.is_dir():
                found[one.domain] = folder
        yield one
