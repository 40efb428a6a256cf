"""A refusal as a page: what happened, in the reader's words, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trophenix_kernel.panels.views import Button, Notice, ProblemPage
from trophenix_sdk.errors import Problem
from trophenix_sdk.i18n import Text, gettext_lazy

_ = gettext_lazy("kernel")

_SAID: Final[Mapping[int, tuple[Text, Text]]] = {
    400: (
        _("This request was not understood"),
        _("The page may be out of date. Go back, reload it and try again."),
    ),
    401: (_("Sign in to continue"), _("You are not signed in, or were signed out meanwhile.")),
    402: (
        _("Your plan's limit is reached"),
        _("This needs more than the organisation's plan includes."),
    ),
    403: (
        _("You may not do this"),
        _("Your role does not include it. An owner or administrator can give you the right."),
    ),
    404: (_("Nothing here"), _("This address does not exist, or is not yours to see.")),
    405: (_("Nothing here"), _("This address does not answer to that.")),
    409: (
        _("This conflicts with what is stored"),
        _("Somebody or something changed it meanwhile. Look at it again before you go on."),
    ),
    412: (
        _("It was changed in the meantime"),
        _(
            "Somebody saved another version while you were working. Reload it and repeat your change."
        ),
    ),
    413: (_("Too large"), _("What you sent is larger than what is accepted here.")),
    415: (_("This format is not read"), _("Choose a file of one of the accepted kinds.")),
    422: (_("Some values are not valid"), _("Go back and correct them.")),
    429: (_("Too many calls"), _("You were quicker than your plan allows. Wait a moment.")),
    500: (
        _("Something went wrong on our side"),
        _("It was noted and will be looked at. What you sent was not stored."),
    ),
    503: (
        _("Not available right now"),
        _("A part of the platform does not answer. Nothing is lost; try again in a minute."),
    ),
}


def problem_page(
    problem: Problem, *, home: str = "", retry_seconds: int = 0, sign_in: str = ""
) -> ProblemPage:
    """The page for a refusal.

    Args:
        problem: what the pipeline answered. Its English detail is shown only where it says more than our own sentence.
        home: where the button leads.
        retry_seconds: from ``Retry-After``.
        sign_in: for 401, where to sign in.
    """
    title, sentence = _SAID.get(problem.status) or _SAID[500 if problem.status >= 500 else 400]
    says_more = problem.status < 500 and problem.detail not in ("", problem.title)
    button: tuple[Button, ...] = ()
    if problem.status == 401 and sign_in:
        button = (Button(label=_("Sign in"), href=sign_in, icon="log-in", tone="primary"),)
    elif home:
        button = (
            Button(
                label=_("Back to the dashboard"),
                href=home,
                icon="layout-dashboard",
                tone="primary",
            ),
        )
    return ProblemPage(
        title=title,
        detail=sentence,
        original=problem.detail if says_more else "",
        next_step=problem.next_step if says_more else "",
        status=problem.status,
        code=problem.code,
        request_id=problem.request_id,
        retry_seconds=retry_seconds,
        buttons=button,
    )


def problem_notice(problem: Problem, *, again: str = "") -> Notice:
    """The same inside a page that lives on, such as a list whose operation failed."""
    title, sentence = _SAID.get(problem.status) or _SAID[500 if problem.status >= 500 else 400]
    button = Button(label=_("Try again"), href=again, icon="rotate-cw") if again else None
    return Notice(title=title, text=sentence, tone="bad", button=button)
