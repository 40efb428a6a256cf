"""The pages of a declared panel: list, record, forms, actions, export, import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath

from trophenix_kernel.operations.binding import takes_file
from trophenix_kernel.panels import (
    Bound,
    Button,
    ConfirmPage,
    Crumb,
    ImportPage,
    ScreenPage,
    bind,
    detail_page,
    form_page,
    list_page,
    list_query,
    problem_notice,
)
from trophenix_kernel.web.desk.entry import Asking
from trophenix_kernel.web.desk.face import Contributed
from trophenix_kernel.web.desk.visit import Visit
from trophenix_sdk.errors import Invalid, NotFound, TooLarge, TrophenixError, as_problem
from trophenix_sdk.files import Upload, temporary_file
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import Action, ImportScreen, Panel

_ = gettext_lazy("kernel")

PANEL: Final = "/admin/{slug:str}/{plugin:str}/{panel:str}"


class Opened(msgspec.Struct):
    """A visit to one panel."""

    visit: Visit
    one: Contributed
    panel: Panel

    def name(self, operation: str) -> str:
        """The operation's platform-wide name."""
        return f"{self.one.plugin_id}:{operation}"

    @property
    def base(self) -> str:
        """The panel's address."""
        return f"{self.visit.base}/{self.one.plugin_id}/{self.panel.slug}"

    def struct(self, operation: str) -> type[msgspec.Struct]:
        """The input of one of the panel's operations."""
        return self.visit.kernel.registry.named(self.name(operation)).operation.input_type

    async def item(self, id_: str) -> Any:
        """One record.

        Raises:
            NotFound: the panel shows no single records, or there is no such one.
        """
        if not self.panel.read:
            raise NotFound
        return await self.visit.call(self.name(self.panel.read), {"id": id_})


async def opened(request: Asking, slug: str, plugin: str, panel: str) -> Opened:
    """The visit to a panel.

    Raises:
        NotFound: there is no such panel here.
    """
    visit = await Visit.open(request, slug)
    one = visit.contributed(plugin)
    found = one.panel(panel)
    if found is None:
        raise NotFound
    return Opened(visit, one, found)


@get(PANEL)
async def the_list(
    request: Asking, slug: FromPath[str], plugin: FromPath[str], panel: FromPath[str]
) -> Response[Any]:
    """The list, or a screen of the plugin's own under the same kind of address."""
    visit = await Visit.open(request, slug)
    one = visit.contributed(plugin)
    found = one.panel(panel)
    if found is None:
        return await _screen(visit, one, panel)
    at = Opened(visit, one, found)
    query = list_query(found, visit.query())
    given = query.input(found)
    struct = at.struct(found.list)
    if "count" in struct.__struct_fields__:
        given["count"] = "true"
    given = {name: value for name, value in given.items() if name in struct.__struct_fields__}
    page, refused = None, None
    try:
        page = await visit.call(at.name(found.list), given)
    except Invalid as error:
        refused = problem_notice(as_problem(error))
    place = visit.place(one, found.slug)
    extra = tuple(
        _import_button(at, screen)
        for screen in one.imports
        if screen.panel == found.slug and visit.can(at.name(screen.preview))
    )
    return visit.page(
        list_page(found, query, page, place, input_struct=struct, error=refused, extra=extra)
    )


async def _screen(visit: Visit, one: Contributed, slug: str) -> Response[Any]:
    screen = one.screen(slug)
    if screen is None:
        raise NotFound
    name = f"{one.plugin_id}:{screen.load}"
    struct = visit.kernel.registry.named(name).operation.input_type
    asked = {
        key: values[0]
        for key, values in visit.query().items()
        if key in struct.__struct_fields__ and values[0]
    }
    data = await visit.call(name, asked)
    return visit.page(
        ScreenPage(
            title=screen.label,
            description=screen.description,
            plugin=one.domain,
            file=screen.template,
            data=data,
        )
    )


@get(PANEL + "/new")
async def new(
    request: Asking, slug: FromPath[str], plugin: FromPath[str], panel: FromPath[str]
) -> Response[Any]:
    """The form to make one."""
    at = await opened(request, slug, plugin, panel)
    _require(at, at.panel.create)
    return at.visit.page(
        form_page(at.panel, at.struct(at.panel.create), at.visit.place(at.one, panel))
    )


@post(PANEL + "/new")
async def create(
    request: Asking, slug: FromPath[str], plugin: FromPath[str], panel: FromPath[str]
) -> Response[Any]:
    """Make one."""
    at = await opened(request, slug, plugin, panel)
    _require(at, at.panel.create)
    struct = at.struct(at.panel.create)
    bound, made, refused = await _save(at, at.panel.create, struct, {}, "")
    if refused is not None:
        place = at.visit.place(at.one, panel)
        view = form_page(
            at.panel,
            struct,
            place,
            bound=bound,
            problems=refused.problems,
            notice=_unless_placed(refused),
        )
        return at.visit.page(view, status=refused.status)
    id_ = getattr(made, at.panel.id, None)
    return at.visit.go(f"{at.base}/{id_}" if id_ and at.panel.read else at.base, "made")


@get(PANEL + "/{id_:str}")
async def record(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    id_: FromPath[str],
) -> Response[Any]:
    """One record, or the panel's import page, or an export."""
    at = await opened(request, slug, plugin, panel)
    if id_.startswith("export."):
        return await _export(at, id_.partition(".")[2])
    screen = at.one.import_of(panel, id_)
    if screen is not None:
        return at.visit.page(_import_page(at, screen, step="choose"))
    item = await at.item(id_)
    tab = (at.visit.query().get("tab") or [""])[0]
    related = None
    chosen = next((one for one in at.panel.related if one.slug == tab), None)
    if chosen is not None:
        related = await at.visit.call(
            at.name(chosen.operation), {chosen.by: id_, "limit": str(chosen.limit)}
        )
    return at.visit.page(
        detail_page(at.panel, item, at.visit.place(at.one, panel), tab=tab, related=related)
    )


@get(PANEL + "/{id_:str}/edit")
async def edit(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    id_: FromPath[str],
) -> Response[Any]:
    """The form to change one."""
    at = await opened(request, slug, plugin, panel)
    _require(at, at.panel.update)
    item = await at.item(id_)
    return at.visit.page(
        form_page(at.panel, at.struct(at.panel.update), at.visit.place(at.one, panel), item=item)
    )


@post(PANEL + "/{id_:str}/edit")
async def update(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    id_: FromPath[str],
) -> Response[Any]:
    """Change one, unless somebody else did in the meantime."""
    at = await opened(request, slug, plugin, panel)
    _require(at, at.panel.update)
    struct = at.struct(at.panel.update)
    item = await at.item(id_)
    bound, _made, refused = await _save(at, at.panel.update, struct, {"id": id_}, at.panel.version)
    if refused is not None:
        place = at.visit.place(at.one, panel)
        view = form_page(
            at.panel,
            struct,
            place,
            item=item,
            bound=bound,
            problems=refused.problems,
            notice=_unless_placed(refused, f"{at.base}/{id_}/edit"),
        )
        return at.visit.page(view, status=refused.status)
    return at.visit.go(f"{at.base}/{id_}", "saved")


async def _save(
    at: Opened,
    operation: str,
    struct: type[msgspec.Struct],
    known: Mapping[str, Any],
    version_field: str,
) -> tuple[Bound, Any, TrophenixError | None]:
    """Bind what was posted and run the operation; a refusal comes back to be shown in the form."""
    posted = await at.visit.form()
    texts = {name: [str(value) for value in values] for name, values in posted.items()}
    bound = bind(struct, texts, at.visit.zone, leave_out=known)
    if bound.problems:
        return bound, None, Invalid(problems=tuple(bound.problems))
    version = (texts.get(version_field) or texts.get("version") or [""])[0] if version_field else ""
    try:
        made = await at.visit.call(
            at.name(operation),
            {**bound.data, **known},
            version=int(version) if version.isdecimal() else None,
        )
    except TrophenixError as error:
        if error.status in (401, 403, 404):
            raise
        return bound, None, error
    return bound, made, None


def _unless_placed(error: TrophenixError, again: str = "") -> Any:
    """A notice above the form for a refusal that no field can show; who came too late is led to what stands there now."""
    if isinstance(error, Invalid) and error.problems:
        return None
    return problem_notice(as_problem(error), again=again if error.status == 412 else "")


@post(PANEL + "/{id_:str}/delete")
async def delete(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    id_: FromPath[str],
) -> Response[Any]:
    """Remove one, after asking."""
    at = await opened(request, slug, plugin, panel)
    _require(at, at.panel.delete)
    posted = await at.visit.form()
    if not posted.get("confirmed"):
        return at.visit.page(
            ConfirmPage(
                title=at.panel.label,
                question=_("Remove this for good?"),
                action=f"{at.base}/{id_}/delete",
                submit=_("Remove"),
                cancel_href=f"{at.base}/{id_}",
            )
        )
    await at.visit.call(at.name(at.panel.delete), {"id": id_})
    return at.visit.go(at.base, "removed")


@post(PANEL + "/do/{action:str}")
async def act_on_many(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    action: FromPath[str],
) -> Response[Any]:
    """Run an action on the ticked rows."""
    at = await opened(request, slug, plugin, panel)
    posted = await at.visit.form()
    chosen = _action(at, action)
    ids = [str(value) for value in posted.get("id", [])]
    back = str((posted.get("return_to") or [""])[0])
    back = back if back.startswith(at.base) else at.base
    if not ids:
        return at.visit.go(back)
    if chosen.confirm and not posted.get("confirmed"):
        return at.visit.page(_confirm(at, chosen, f"{at.base}/do/{action}", back, ids))
    await at.visit.call(at.name(chosen.operation), {chosen.bulk: ids})
    return at.visit.go(back, "done")


@post(PANEL + "/{id_:str}/do/{action:str}")
async def act_on_one(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    id_: FromPath[str],
    action: FromPath[str],
) -> Response[Any]:
    """Run an action on one record, or a step of an import."""
    at = await opened(request, slug, plugin, panel)
    posted = await at.visit.form()
    chosen = _action(at, action)
    back = f"{at.base}/{id_}"
    if chosen.confirm and not posted.get("confirmed"):
        return at.visit.page(_confirm(at, chosen, f"{back}/do/{action}", back, []))
    await at.visit.call(at.name(chosen.operation), {chosen.key: id_})
    return at.visit.go(back, "done")


def _action(at: Opened, slug: str) -> Action:
    found = next((one for one in at.panel.actions if one.slug == slug), None)
    if found is None:
        raise NotFound
    return found


def _confirm(
    at: Opened, action: Action, address: str, back: str, ids: Sequence[str]
) -> ConfirmPage:
    hidden = (*(("id", id_) for id_ in ids), ("return_to", back))
    return ConfirmPage(
        title=at.panel.label_plural,
        question=action.confirm,
        action=address,
        submit=action.label,
        cancel_href=back,
        tone="bad" if action.tone == "bad" else "primary",
        hidden=tuple(hidden),
    )


async def _export(at: Opened, kind: str) -> Response[Any]:
    if not at.panel.export or kind not in at.panel.export_formats:
        raise NotFound
    struct = at.struct(at.panel.export)
    query = list_query(at.panel, at.visit.query())
    given = {
        name: value
        for name, value in query.input(at.panel).items()
        if name in struct.__struct_fields__
    }
    given.pop("limit", None)
    file = await at.visit.call(at.name(at.panel.export), {**given, "format": kind})
    try:
        body = file.path.read_bytes()
    finally:
        file.path.unlink(missing_ok=True)
    return Response(
        body,
        media_type=file.content_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.file_name)}",
            "Cache-Control": "private, no-store",
        },
    )


def _require(at: Opened, operation: str) -> None:
    if not operation:
        raise NotFound
    at.visit.kernel.pipeline.decide(
        at.visit.kernel.registry.named(at.name(operation)), at.visit.caller
    )


# ── bringing a file in ──────────────────────────────────────────────────────────────────────────────────────────────


def _import_button(at: Opened, screen: ImportScreen) -> Any:

    return Button(label=screen.label, href=f"{at.base}/{screen.slug}", icon="upload")


def _import_page(at: Opened, screen: ImportScreen, *, step: Any, **more: Any) -> ImportPage:
    address = f"{at.base}/{screen.slug}"
    return ImportPage(
        title=screen.label,
        description=screen.description,
        crumbs=(Crumb(label=at.panel.label_plural, href=at.base),),
        step=step,
        path=more.pop("path", address),
        upload=f"{address}/file",
        accepts=screen.accepts,
        limit=at.visit.language.size(screen.limit_mebibytes << 20),
        template_href=screen.template_href,
        list_href=at.base,
        again_href=address,
        **more,
    )


def _import_of(at: Opened, word: str) -> ImportScreen:
    screen = at.one.import_of(at.panel.slug, word)
    if screen is None:
        raise NotFound
    return screen


@post(PANEL + "/{screen:str}/file", request_max_body_size=None)
async def import_file(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    screen: FromPath[str],
) -> Response[Any]:
    """Take the file and show how it was understood."""
    at = await opened(request, slug, plugin, panel)
    bringing = _import_of(at, screen)
    _require(at, bringing.preview)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > (bringing.limit_mebibytes + 1) << 20:
        error = TooLarge(f"The file is larger than {bringing.limit_mebibytes} MiB.")
        return at.visit.page(
            _import_page(at, bringing, step="choose", error=error.detail, status=413)
        )
    posted = await at.visit.form()
    file = (posted.get("file") or [None])[0]
    if not isinstance(file, UploadFile) or not file.filename:
        missing = _("Choose a file first.")
        return at.visit.page(_import_page(at, bringing, step="choose", error=missing, status=422))
    path = temporary_file(".upload")
    try:
        size = 0
        with path.open("wb") as kept:
            while chunk := await file.read(1 << 20):
                size += len(chunk)
                kept.write(chunk)
        upload = Upload(path, file.filename, size, file.content_type)
        field = next(
            name for name, kind in _fields(at.struct(bringing.preview)) if takes_file(kind)
        )
        preview = await at.visit.call(at.name(bringing.preview), {field: upload})
    except TrophenixError as error:
        if error.status in (401, 403, 404):
            raise
        return at.visit.page(
            _import_page(at, bringing, step="choose", error=str(error), status=error.status)
        )
    finally:
        path.unlink(missing_ok=True)
    address = f"{at.base}/{bringing.slug}/{preview.id}"
    return at.visit.page(
        _import_page(at, bringing, step="check", path=address, apply=address, preview=preview)
    )


@post(PANEL + "/{screen:str}/{batch:str}")
async def import_apply(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    screen: FromPath[str],
    batch: FromPath[str],
) -> Response[Any]:
    """Run the import with the mapping that was checked, or take it back."""
    at = await opened(request, slug, plugin, panel)
    bringing = _import_of(at, screen)
    posted = await at.visit.form()
    address = f"{at.base}/{bringing.slug}/{batch}"
    if posted.get("revert"):
        if not posted.get("confirmed"):
            return at.visit.page(
                ConfirmPage(
                    title=bringing.label,
                    crumbs=(Crumb(label=at.panel.label_plural, href=at.base),),
                    question=_(
                        "Take this import back? Every record it created is removed and every change undone."
                    ),
                    action=address,
                    submit=_("Take it back"),
                    cancel_href=address,
                    hidden=(("revert", "yes"),),
                )
            )
        await at.visit.call(at.name(bringing.revert), {"id": batch})
        return at.visit.go(address, "reverted")
    columns = sorted(
        (name for name in posted if name.startswith("column-") and name[7:].isdecimal()),
        key=lambda name: int(name[7:]),
    )
    mapping = [str(posted[name][0]) for name in columns]
    await at.visit.call(at.name(bringing.apply), {"id": batch, "mapping": mapping})
    return at.visit.go(address)


@get(PANEL + "/{screen:str}/{batch:str}")
async def import_progress(
    request: Asking,
    slug: FromPath[str],
    plugin: FromPath[str],
    panel: FromPath[str],
    screen: FromPath[str],
    batch: FromPath[str],
) -> Response[Any]:
    """How far the import is, or what came of it."""
    at = await opened(request, slug, plugin, panel)
    bringing = _import_of(at, screen)
    run = await at.visit.call(at.name(bringing.status), {"id": batch})
    address = f"{at.base}/{bringing.slug}/{batch}"
    if run.state in ("waiting", "running", "reverting"):
        return at.visit.page(_import_page(at, bringing, step="run", path=address, run=run))
    problems = await at.visit.call(at.name(bringing.problems), {"id": batch, "limit": "100"})
    view = _import_page(
        at,
        bringing,
        step="result",
        path=address,
        run=run,
        problems=tuple(problems.data),
        problems_total=problems.total if problems.total is not None else len(problems.data),
        revert=address
        if run.revertible and bringing.revert and at.visit.can(at.name(bringing.revert))
        else "",
    )
    return at.visit.page(view)


def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, Any]]:
    return [(field.name, field.type) for field in msgspec.structs.fields(struct)]


HANDLERS: Final = [
    the_list,
    new,
    create,
    record,
    edit,
    update,
    delete,
    act_on_many,
    act_on_one,
    import_file,
    import_apply,
    import_progress,
]
