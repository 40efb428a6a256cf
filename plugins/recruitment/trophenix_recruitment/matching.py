"""Which stored athlete a row is about, and whether it says anything new.

An athlete is known again by an identifier, or by an identity that is the same in full: name, birth, sport and country. Everything less
is for people to decide, see `duplicates`: no row is ever written into an athlete because the two merely resemble each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, cast
from uuid import UUID

import msgspec
from rapidfuzz import fuzz

from trophenix_recruitment.keys import Id, SearchKeys, plain_id, plain_ids
from trophenix_recruitment.model import AthleteDraft, ExternalId, RowProblem, shown
from trophenix_recruitment.names import name_key, sorted_name_key

Outcome = Literal["imported", "updated", "unchanged", "repeated", "rejected"]

_ANOTHER_NAME: Final = 85.0


class Known(msgspec.Struct, frozen=True, gc=False):
    """An athlete that rows are compared with.

    Attributes:
        ids: the identifiers in ``draft``, as they are compared.
        version: ``None`` for an athlete that this import has just added.
        line: where in the file the athlete was met first, ``None`` for one that was stored before.
    """

    id: UUID
    draft: AthleteDraft
    ids: tuple[Id, ...]
    version: int | None
    line: int | None


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a row.

    Attributes:
        athlete_id: whom it is about; ``None`` when it is rejected.
        after: the athlete as it is to be written, for a row that is imported or updates.
        before: the athlete as it is, for a row that updates.
    """

    outcome: Outcome
    athlete_id: UUID | None = None
    after: Known | None = None
    before: Known | None = None
    problem: RowProblem | None = None


Identity = tuple[Any, ...]


class Matcher:
    """Decides row by row, in the order of the file.

    Args:
        says_visibility: whether the rows have a column for it; where they have none, a stored choice stays.
    """

    def __init__(self, *, says_visibility: bool) -> None:
        self._says_visibility = says_visibility
        self._lines: dict[Id, int] = {}
        self.forget()

    def forget(self) -> None:
        """Compare with nobody, for now; which identifier stood in which line is kept."""
        self._known: dict[UUID, Known] = {}
        self._by_id: dict[Id, Known] = {}
        self._by_identity: defaultdict[Identity, list[Known]] | None = None

    def learn(self, stored: Iterable[Known]) -> None:
        """Compare with *stored*, too; an athlete that is known already stays as it is known."""
        for known in stored:
            if known.id not in self._known:
                self._known[known.id] = known
                for one in known.ids:
                    self._by_id[one] = known
                if self._by_identity is not None:
                    self._by_identity[identity(known.draft)].append(known)

    def decide(
        self,
        line: int,
        draft: AthleteDraft,
        keys: SearchKeys,
        ids: tuple[Id, ...],
        fresh: Iterator[UUID],
    ) -> Verdict:
        """What becomes of the row in *line*; a new athlete gets the next id of *fresh*."""
        if ids:
            found = self._found(ids)
            lines = self._lines
            earlier = next((lines[one] for one in ids if one in lines), None)
            if found is not None:
                if found.__class__ is list:
                    return _rejected(line, "external_id.two_athletes", ids, _TWO_ATHLETES)
                return self._by_identifier(line, draft, ids, cast("Known", found), earlier)
            if earlier is not None:
                return _rejected(line, "external_id.twice", ids, _TWICE.format(earlier))
        else:
            for known in self._alike(_identity(draft, keys.name, keys.sport)):
                if self._says_nothing_new(known.draft, draft):
                    repeated = known.line is not None
                    return Verdict("repeated" if repeated else "unchanged", known.id)
        added = Known(next(fresh), draft, ids, None, line)
        self._known[added.id] = added
        if self._by_identity is not None:
            self._by_identity[_identity(draft, keys.name, keys.sport)].append(added)
        for one in ids:
            self._by_id[one] = added
            self._lines[one] = line
        return Verdict("imported", added.id, added)

    def _alike(self, own: Identity) -> list[Known]:
        """The athletes of this identity. Rows with identifiers never ask, so it is looked up only once the first row does."""
        found = self._by_identity
        if found is None:
            found = self._by_identity = defaultdict(list)
            for known in self._known.values():
                found[identity(known.draft)].append(known)
        return found.get(own, [])

    def _found(self, ids: tuple[Id, ...]) -> Known | list[Known] | None:
        """The one athlete who has these identifiers, or all of them where there are several."""
        by_id = self._by_id
        if len(ids) == 1:
            return by_id.get(ids[0])
        found = list({known.id: known for one in ids if (known := by_id.get(one))}.values())
        return found if len(found) > 1 else found[0] if found else None

    def _by_identifier(
        self,
        line: int,
        draft: AthleteDraft,
        ids: tuple[Id, ...],
        known: Known,
        earlier: int | None,
    ) -> Verdict:
        if contradicts(known.draft, draft):
            return _rejected(line, "external_id.other_person", ids, _OTHER_PERSON)
        merged = merge(known.draft, draft, says_visibility=self._says_visibility)
        if merged is known.draft:
            for one in ids:
                self._lines.setdefault(one, line)
            return Verdict("unchanged" if earlier is None else "repeated", known.id)
        if earlier is None:
            earlier = known.line
        if earlier is not None:
            return _rejected(line, "external_id.twice", ids, _TWICE.format(earlier))
        changed = Known(known.id, merged, plain_ids(merged), known.version, line)
        self._known[known.id] = changed
        for one in changed.ids:
            self._by_id[one] = changed
        for one in ids:
            self._lines[one] = line
        return Verdict("updated", known.id, changed, known)

    def _says_nothing_new(self, known: AthleteDraft, said: AthleteDraft) -> bool:
        if known.birth_day is not None:
            return merge(known, said, says_visibility=self._says_visibility) is known
        # Without a day of birth namesakes are common: only the very same values are the same athlete.
        return msgspec.structs.replace(known, external_ids=()) == said


def identity(draft: AthleteDraft) -> Identity:
    """What makes two descriptions one athlete's, if all of it is the same: name, birth, sport and country."""
    sport = None if draft.sport is None else name_key(draft.sport)
    return _identity(draft, name_key(f"{draft.family_name} {draft.given_name}"), sport)


def _identity(draft: AthleteDraft, name: str, sport: str | None) -> Identity:
    country = draft.nationality_alpha_2 or (draft.nationality, draft.nationality_system)
    return (name, draft.birth_earliest, draft.birth_latest, sport, country)


def contradicts(known: AthleteDraft, said: AthleteDraft) -> bool:
    """Whether name *and* birth are another person's: then a shared identifier is a slip, and nothing may be overwritten.

    One of the two alone is how corrections and marriages look.
    """
    if (
        known.birth_earliest is None
        or known.birth_latest is None
        or said.birth_earliest is None
        or said.birth_latest is None
        or (known.birth_earliest <= said.birth_latest and said.birth_earliest <= known.birth_latest)
    ):
        return False
    return (
        fuzz.ratio(
            sorted_name_key(known.family_name, known.given_name),
            sorted_name_key(said.family_name, said.given_name),
        )
        < _ANOTHER_NAME
    )


_PLAIN: Final = ("sex", "ranking", "height_cm", "weight_kg", "position", "club", "sport")


def merge(known: AthleteDraft, said: AthleteDraft, *, says_visibility: bool) -> AthleteDraft:
    """*known* with what *said* says: what it leaves out stays, and so does what it only says less exactly."""
    changes: dict[str, Any] = {}
    for field in _PLAIN:
        value = getattr(said, field)
        if value is not None and value != getattr(known, field):
            changes[field] = value
    for field in ("family_name", "given_name"):
        value = getattr(said, field)
        if value and name_key(value) != name_key(getattr(known, field)):
            changes[field] = value
    if _says_more_of_birth(known, said):
        changes["birth_earliest"] = said.birth_earliest
        changes["birth_latest"] = said.birth_latest
    if said.nationality is not None and not _same_country(known, said):
        changes["nationality"] = said.nationality
        changes["nationality_system"] = said.nationality_system
        changes["nationality_alpha_2"] = said.nationality_alpha_2
    if says_visibility and said.visibility != known.visibility:
        changes["visibility"] = said.visibility
    if said.attributes:
        attributes = {**known.attributes, **said.attributes}
        if attributes != known.attributes:
            changes["attributes"] = attributes
    if said.external_ids:
        had = set(plain_ids(known))
        added = [
            ExternalId(*plain_id(one)) for one in said.external_ids if plain_id(one) not in had
        ]
        if added:
            changes["external_ids"] = (*known.external_ids, *added)
    return msgspec.structs.replace(known, **changes) if changes else known


def _says_more_of_birth(known: AthleteDraft, said: AthleteDraft) -> bool:
    if said.birth_earliest is None or said.birth_latest is None:
        return False
    if known.birth_earliest is None or known.birth_latest is None:
        return True
    return not (
        said.birth_earliest <= known.birth_earliest and known.birth_latest <= said.birth_latest
    )


def _same_country(known: AthleteDraft, said: AthleteDraft) -> bool:
    if known.nationality_system == said.nationality_system:
        return known.nationality == said.nationality
    return (
        known.nationality_alpha_2 is not None
        and known.nationality_alpha_2 == said.nationality_alpha_2
    )


_TWO_ATHLETES: Final = (
    "these identifiers belong to two different athletes: correct the identifiers."
)
_OTHER_PERSON: Final = "the identifier belongs to an athlete of another name and another birth date: correct it, or that athlete."
_TWICE: Final = (
    "the identifier stands in line {} already, with other values: keep one of the two rows."
)


def _rejected(line: int, code: str, ids: tuple[Id, ...], said: str) -> Verdict:
    value = shown(", ".join(f"{scheme}={value}" for scheme, value in ids))
    return Verdict("rejected", problem=RowProblem(line, None, code, said, value))
