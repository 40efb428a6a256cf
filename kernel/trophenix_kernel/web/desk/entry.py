"""The way in and out: signing in, choosing an organisation, language and light; and the files every page needs."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request, Response, get, post
from litestar.params import FromPath

from trophenix_kernel.identity.model import Identity, User
from trophenix_kernel.identity.passwords import MINIMUM_LENGTH
from trophenix_kernel.panels import SignInPage, TenantsPage, WelcomePage
from trophenix_kernel.web.desk.visit import LANGUAGE_COOKIE, MODE_COOKIE, SESSION_COOKIE, Visit
from trophenix_kernel.web.gateway import check_same_origin
from trophenix_sdk.errors import Invalid, NotFound, RateLimited, Unauthenticated
from trophenix_sdk.i18n import gettext_lazy

_ = gettext_lazy("kernel")

YEAR_SECONDS: Final = 365 * 86_400
Asking = Request[Any, Any, Any]


@get("/")
async def root(request: Asking) -> Response[Any]:
    """The platform's address leads to the admin."""
    return (await Visit.of(request)).go("/admin")


@get("/sign-in")
async def sign_in_page(request: Asking) -> Response[Any]:
    """Ask for address and password."""
    visit = await Visit.of(request)
    if visit.caller.identity is not None:
        return visit.go("/admin")
    return visit.page(_sign_in(next_=request.query_params.get("next", "")))


@post("/sign-in")
async def sign_in(request: Asking) -> Response[Any]:
    """Open a session."""
    visit = await Visit.of(request)
    check_same_origin(dict(request.scope["headers"]))
    data = await request.form()
    email, password = str(data.get("email", "")), str(data.get("password", ""))
    next_ = _local(str(data.get("next", "")))
    try:
        token, identity = await visit.kernel.credentials.sign_in(
            email,
            password,
            ip=visit.caller.ip,
            user_agent=request.headers.get("user-agent", ""),
        )
    except (Unauthenticated, RateLimited):
        refused = _(
            "The e-mail address or the password is not right, or sign-in is closed for a few minutes."
        )
        return visit.page(_sign_in(email=email, next_=next_, error=refused, status=401))
    return _signed_in(visit, token, identity, next_ or "/admin")


@get("/welcome/{token:str}")
async def welcome_page(request: Asking, token: FromPath[str]) -> Response[Any]:
    """Let an invited person join."""
    visit = await Visit.of(request)
    user = await visit.kernel.credentials.invited(token)
    if user is None:
        raise NotFound(
            "This invitation was used, replaced or has run out.", next_step="Ask for a new one."
        )
    return visit.page(_welcome(token, user))


@post("/welcome/{token:str}")
async def welcome(request: Asking, token: FromPath[str]) -> Response[Any]:
    """Join and sign in."""
    visit = await Visit.of(request)
    check_same_origin(dict(request.scope["headers"]))
    user = await visit.kernel.credentials.invited(token)
    if user is None:
        raise NotFound(
            "This invitation was used, replaced or has run out.", next_step="Ask for a new one."
        )
    data = await request.form()
    try:
        session, identity = await visit.kernel.credentials.accept(
            token, str(data.get("password", ""))
        )
    except (Invalid, Unauthenticated, RateLimited) as error:
        return visit.page(_welcome(token, user, error=error.detail, status=error.status))
    return _signed_in(visit, session, identity, "/admin")


@post("/sign-out")
async def sign_out(request: Asking) -> Response[Any]:
    """End the session, here and everywhere it was copied to."""
    visit = await Visit.open(request)
    await visit.form()
    if visit.caller.identity is not None:
        await visit.kernel.credentials.sign_out(visit.caller.identity)
    answer = visit.go("/sign-in")
    answer.delete_cookie(SESSION_COOKIE)
    return answer


@post("/preferences/{what:str}")
async def prefer(request: Asking, what: FromPath[str]) -> Response[Any]:
    """Remember light or dark, the language, or go to another organisation."""
    visit = await Visit.of(request)
    data = await request.form()
    back = _local(urlsplit(request.headers.get("referer", "")).path) or "/admin"
    answer = visit.go(back)
    if what == "mode" and data.get("mode") in ("light", "dark", "auto"):
        answer.set_cookie(
            MODE_COOKIE,
            str(data["mode"]),
            max_age=YEAR_SECONDS,
            samesite="lax",
            path="/",
            httponly=True,
        )
    elif what == "language" and data.get("language") in ("fr", "en"):
        language = str(data["language"])
        answer.set_cookie(
            LANGUAGE_COOKIE, language, max_age=YEAR_SECONDS, samesite="lax", path="/", httponly=True
        )
        if visit.caller.identity is not None:
            visit.check_token({name: [data[name]] for name in data})
            await visit.kernel.credentials.set_locale(visit.caller.identity.user_id, language)
    elif what == "tenant":
        return visit.go(f"/admin/{_word(str(data.get('tenant', '')))}")
    else:
        raise NotFound
    return answer


@get("/admin")
async def tenants(request: Asking) -> Response[Any]:
    """The only organisation, or the choice of one."""
    visit = await Visit.open(request)
    if len(visit.places) == 1:
        return visit.go(f"/admin/{visit.places[0].slug}")
    if not visit.places:
        return visit.page(
            TenantsPage(
                title=_("You belong to no organisation yet."),
                description=_("Ask an administrator to add you."),
                tenants=(),
            )
        )
    return visit.page(TenantsPage(title=_("Choose an organisation"), tenants=visit.frame().tenants))


def _sign_in(*, email: str = "", next_: str = "", error: Any = "", status: int = 200) -> SignInPage:
    return SignInPage(
        title=_("Sign in"),
        description=_("With the e-mail address you were invited with."),
        email=email,
        next=_local(next_),
        error=error,
        status=status,
    )


def _welcome(token: str, user: User, *, error: Any = "", status: int = 200) -> WelcomePage:
    known = user.password_hash is not None
    return WelcomePage(
        title=_("Welcome"),
        description=_("Show your password to join.")
        if known
        else _("Choose the password you will sign in with."),
        action=f"/welcome/{token}",
        email=user.email,
        known=known,
        minimum=MINIMUM_LENGTH,
        error=error,
        status=status,
    )


def _signed_in(visit: Visit, token: str, identity: Identity, address: str) -> Response[Any]:
    answer = visit.go(address)
    expires = identity.expires_at
    answer.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int((expires - visit.kernel.clock.now()).total_seconds()) if expires else None,
        httponly=True,
        samesite="lax",
        secure=visit.kernel.settings.base_url.startswith("https://"),
        path="/",
    )
    return answer


def _local(address: str) -> str:
    """An address on this site, or nothing: what comes from outside must not lead elsewhere."""
    # Browsers take a backslash for a slash and drop tabs and line ends: "/\t/elsewhere" would be another host.
    plain = all(" " < letter != "\x7f" for letter in address) and "\\" not in address
    return address if plain and address.startswith("/") and not address.startswith("//") else ""


def _word(text: str) -> str:
    return text if text.replace("-", "").isalnum() and text.isascii() else ""


HANDLERS: Final = [root, sign_in_page, sign_in, welcome_page, welcome, sign_out, prefer, tenants]
