"""The only SQL of the plugin."""

from __future__ import annotations

from typing import Final

from trophenix_sdk.database import Query

from .model import Player

COLUMNS: Final = "id, family_name, given_name, sex, born_on, country, sport, club, ranking, height_cm, attributes, version, created_at"

ONE: Final = Query(f"select {COLUMNS} from plugin_bench_roster.players where id = :id", Player)
FIRST_PAGE: Final = Query(
    f"select {COLUMNS} from plugin_bench_roster.players order by family_name, id limit :limit",
    Player,
)
NEXT_PAGE: Final = Query(
    f"select {COLUMNS} from plugin_bench_roster.players where (family_name, id) > (:name, :id)"
    " order by family_name, id limit :limit",
    Player,
)
ADD: Final = Query(
    "insert into plugin_bench_roster.players (id, family_name, given_name, born_on, sport)"
    f" values (:id, :family_name, :given_name, :born_on, :sport) returning {COLUMNS}",
    Player,
)
