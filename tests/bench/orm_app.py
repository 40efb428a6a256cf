"""The usual way: FastAPI, SQLAlchemy's asynchronous ORM and pydantic; no row security, the tenant in the statement."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,  # noqa: TID251 - it is what is compared with
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

KEYS: Final = {
    bytes.fromhex(digest): UUID(tenant)
    for digest, tenant in json.loads(Path(os.environ["BENCH_KEYS"]).read_bytes()).items()
}
engine: Final = create_async_engine(
    os.environ["BENCH_DSN"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=8,
    max_overflow=0,
)
sessions: Final = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """What the tables have in common."""


class Player(Base):
    """A row."""

    __tablename__ = "players"
    __table_args__ = {"schema": "plugin_bench_roster"}  # noqa: RUF012 - SQLAlchemy reads it so

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    family_name: Mapped[str]
    given_name: Mapped[str]
    sex: Mapped[str | None]
    born_on: Mapped[date | None]
    country: Mapped[str | None]
    sport: Mapped[str | None]
    club: Mapped[str | None]
    ranking: Mapped[int | None]
    height_cm: Mapped[float | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)
    version: Mapped[int]
    created_at: Mapped[datetime]


class PlayerView(BaseModel):
    """A player as it is answered."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    family_name: str
    given_name: str
    sex: str | None
    born_on: date | None
    country: str | None
    sport: str | None
    club: str | None
    ranking: int | None
    height_cm: float | None
    attributes: dict[str, Any]
    version: int
    created_at: datetime


class PlayersView(BaseModel):
    """A page of players."""

    data: list[PlayerView]
    next_cursor: str | None = None
    total: int | None = None


async def session() -> AsyncGenerator[AsyncSession]:
    """A session per request."""
    async with sessions() as one:
        yield one


async def tenant(authorization: Annotated[str, Header()]) -> UUID:
    """Whose key it is."""
    found = KEYS.get(hashlib.sha256(authorization[7:].encode()).digest())
    if found is None:
        raise HTTPException(401)
    return found


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Connections end with the process."""
    yield
    await engine.dispose()


app: Final = FastAPI(lifespan=lifespan)


@app.get("/players/{player_id}", response_model=PlayerView)
async def read_player(
    player_id: UUID,
    db: Annotated[AsyncSession, Depends(session)],
    of: Annotated[UUID, Depends(tenant)],
) -> Any:
    """One player."""
    found = await db.scalar(select(Player).where(Player.tenant_id == of, Player.id == player_id))
    if found is None:
        raise HTTPException(404)
    return found


@app.get("/players", response_model=PlayersView)
async def list_players(
    db: Annotated[AsyncSession, Depends(session)],
    of: Annotated[UUID, Depends(tenant)],
    limit: int = 50,
) -> Any:
    """The tenant's players by name."""
    statement = (
        select(Player)
        .where(Player.tenant_id == of)
        .order_by(Player.family_name, Player.id)
        .limit(limit + 1)
    )
    rows = list(await db.scalars(statement))
    cursor = None
    if len(rows) > limit:
        rows.pop()
        keys = json.dumps([rows[-1].family_name, str(rows[-1].id)], separators=(",", ":"))
        cursor = base64.urlsafe_b64encode(keys.encode()).rstrip(b"=").decode()
    return {"data": rows, "next_cursor": cursor}


def application() -> FastAPI:
    """The application."""
    return app
