"""What the module shows of itself in a demonstration."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from trophenix_recruitment.demonstration import invented_athletes
from trophenix_recruitment.events import IMPORTED
from trophenix_recruitment.operations.bulk import ImportReport, take_list
from trophenix_sdk.context import Context
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.operations import Operation, operation

_ = gettext_lazy("recruitment")


class DemoLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How many athletes to invent; ``None`` for as many as suit the plan."""

    count: Annotated[int, Meta(ge=1, le=50_000)] | None = None


_SUITABLE: Final = {"free": 60, "starter": 300, "professional": 1_200, "enterprise": 2_000}


@operation(
    name="demo.load",
    title=_("Load invented athletes"),
    permission="athlete.import",
    emits=[IMPORTED],
)
async def load_demo(ctx: Context, given: DemoLoad) -> ImportReport:
    """Invented athletes are among the others; loading them again adds none."""
    count = given.count or _SUITABLE.get(ctx.tenant.plan, 2_000)
    return await take_list(ctx, invented_athletes(count), "demo", 1_000, "demonstration")


OPERATIONS: Final[tuple[Operation, ...]] = (load_demo,)
