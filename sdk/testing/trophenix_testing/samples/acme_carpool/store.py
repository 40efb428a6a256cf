"""The only SQL of the plugin."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from trophenix_sdk.database import Query

from .model import Passenger, Ride

_RIDE: Final = "id, name, seats, leaves_at, details, version"

ADD: Final = Query(
    "insert into plugin_acme_carpool.rides (id, name, seats, leaves_at, details)"
    f" values (:id, :name, :seats, :leaves_at, :details) returning {_RIDE}",
    Ride,
)
ONE: Final = Query(f"select {_RIDE} from plugin_acme_carpool.rides where id = :id", Ride)
PAGE: Final = Query(
    f"select {_RIDE} from plugin_acme_carpool.rides"
    " where (cast(:q as text) is null or name ^@ cast(:q as text)) and (cast(:after as text) is null or name > :after)"
    " order by name limit :limit",
    Ride,
)
EVERY_NAME: Final = Query("select name from plugin_acme_carpool.rides order by name", str)
CHANGE: Final = Query(
    "update plugin_acme_carpool.rides set name = coalesce(:name, name), seats = coalesce(:seats, seats), version = version + 1"
    f" where id = :id and (cast(:version as int) is null or version = :version) returning {_RIDE}",
    Ride,
)
REMOVE: Final = Query("delete from plugin_acme_carpool.rides where id = :id returning id", UUID)
TIDY: Final[Query[Any]] = Query(
    "delete from plugin_acme_carpool.rides where leaves_at < :left_before"
)
TAKE_STAGED: Final[Query[Any]] = Query(
    "insert into plugin_acme_carpool.rides (id, name, seats, details)"
    " select id, name, seats, '{}' from ride_list on conflict (tenant_id, name) do nothing"
)
ADD_PASSENGER: Final = Query(
    "insert into plugin_acme_carpool.passengers (id, ride_id, name) values (:id, :ride_id, :name) returning id, ride_id, name",
    Passenger,
)
PASSENGERS: Final = Query(
    "select id, ride_id, name from plugin_acme_carpool.passengers where ride_id = :ride_id order by id",
    Passenger,
)
