"""A person's own pages: the password, and where they are signed in."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post

from trophenix_kernel.identity.passwords import MINIMUM_LENGTH
from trophenix_kernel.panels import (
    Button,
    Cell,
    Crumb,
    FormPage,
    ListPage,
    Tab,
    arrange,
    bind,
    describe,
    place,
    problem_notice,
)
from trophenix_kernel.panels.views import Heading, Row
from trophenix_kernel.web.desk.entry import Asking
from trophenix_kernel.web.desk.visit import Visit
from trophenix_sdk.errors import FieldProblem, Invalid, TrophenixError, Unauthenticated, as_problem
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import F

_ = gettext_lazy("kernel")

ACCOUNT: Final = "/admin/account"


class PasswordForm(msgspec.Struct):
    """The form that changes the password."""

    current: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    new: Annotated[str, msgspec.Meta(min_length=MINIMUM_LENGTH, max_length=1024)]


PASSWORD: Final = {
    "current": F(_("Present password"), widget="password", autocomplete="current-password"),
    "new": F(
        _("New password"),
        widget="password",
        autocomplete="new-password",
        help=_("A sentence is good. All your other sessions end."),
    ),
}


@get(ACCOUNT)
async def account(request: Asking) -> Response[Any]:
    """The form of the password."""
    return _password_page(await Visit.open(request))


@post(ACCOUNT)
async def change_password(request: Asking) -> Response[Any]:
    """Change the password; every other session ends."""
    visit = await Visit.open(request)
    posted = await visit.form()
    bound = bind(
        PasswordForm,
        {name: [str(v) for v in values] for name, values in posted.items()},
        visit.zone,
    )
    if bound.problems:
        return _password_page(visit, Invalid(problems=tuple(bound.problems)))
    try:
        await visit.call("kernel:account.password", bound.data)
    except Unauthenticated:
        wrong = FieldProblem("/current", "wrong_password", "this is not your present password")
        return _password_page(visit, Invalid(problems=(wrong,)))
    except TrophenixError as error:
        return _password_page(visit, error)
    return visit.go(ACCOUNT, "saved")


@get(f"{ACCOUNT}/sessions")
async def sessions(request: Asking) -> Response[Any]:
    """Where the person is signed in."""
    visit = await Visit.open(request)
    found = await visit.call("kernel:account.sessions")
    language, now = visit.language, visit.kernel.clock.now()
    rows = tuple(
        Row(
            id=str(session.id),
            title=session.user_agent or session.ip,
            cells=(
                Cell(
                    key="agent",
                    label=_("Program"),
                    text=session.user_agent or _("unknown"),
                    sub=session.ip,
                ),
                Cell(key="since", label=_("Since"), text=language.ago(session.created_at, now)),
                Cell(
                    key="until",
                    label=_("Until"),
                    text=language.date(session.expires_at),
                    hide="phone",
                ),
                Cell(
                    key="here",
                    label=_("State"),
                    kind="badge",
                    text=_("this browser") if session.current else _("signed in"),
                    tone="ok" if session.current else "neutral",
                ),
            ),
        )
        for session in found.data
    )
    headings = tuple(
        Heading(label=label) for label in (_("Program"), _("Since"), _("Until"), _("State"))
    )
    return visit.page(
        ListPage(
            title=_("Sessions"),
            description=_("Tick those you do not know, and end them."),
            crumbs=(Crumb(label=_("Account"), href=ACCOUNT),),
            path=f"{ACCOUNT}/sessions",
            label=_("Sessions"),
            headings=headings,
            rows=rows,
            bulk=(
                Button(label=_("End"), post=f"{ACCOUNT}/sessions/end", icon="log-out", tone="bad"),
            ),
        )
    )


@post(f"{ACCOUNT}/sessions/end")
async def end_sessions(request: Asking) -> Response[Any]:
    """End the ticked sessions, at once and everywhere."""
    visit = await Visit.open(request)
    for session in (await visit.form()).get("id", []):
        await visit.call("kernel:account.end_session", {"id": str(session)})
    return visit.go(f"{ACCOUNT}/sessions", "done")


def _password_page(visit: Visit, refused: TrophenixError | None = None) -> Response[Any]:
    fields = describe(PasswordForm, visit.language, fields=PASSWORD)
    placed, others = place(fields, refused.problems if refused else (), visit.language)
    view = FormPage(
        title=_("Account"),
        description=visit.caller.identity.name if visit.caller.identity else "",
        action=ACCOUNT,
        sections=arrange(placed, ()),
        errors=others,
        tabs=(
            Tab(label=_("Password"), href=ACCOUNT, current=True),
            Tab(label=_("Sessions"), href=f"{ACCOUNT}/sessions"),
        ),
        notice=problem_notice(as_problem(refused)) if refused and not refused.problems else None,
        status=refused.status if refused else 200,
    )
    return visit.page(view)


HANDLERS: Final = [account, change_password, sessions, end_sessions]
