"""Whole published lists: every row is accounted for, every seeded defect is found."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping as Members
from datetime import date
from pathlib import Path

import msgspec
import pytest

from trophenix_recruitment.checks import Checked, Counters
from trophenix_recruitment.duplicates import Candidate, Proposal, propose
from trophenix_recruitment.exporting import columns_of, csv_chunks, write_xlsx
from trophenix_recruitment.imports import AthleteImport
from trophenix_recruitment.model import AthleteDraft
from trophenix_recruitment.reading import LineCounts

pytestmark = pytest.mark.real_data

# The label of a seeded or natural defect, and the code this importer gives it.
CODES: Members[str, str] = {
    "no_name_at_all": "name.missing",
    "impossible_date": "birth.impossible",
    "birth_in_future": "birth.in_future",
    "unknown_country": "country.unknown",
    "too_few_columns": "row.too_few_columns",
    "too_many_columns": "row.too_many_columns",
    "name_too_long": "name.too_long",
    "exact_duplicate_row": "row.repeated",
    "base:no_birth_date": "birth.missing",
    "base:no_given_name": "name.given_missing",
    "formula_injection_text_must_be_kept_as_text_and_escaped_on_export": "text.formula_like",
}


class Run(msgspec.Struct):
    source: AthleteImport
    outcomes: list[Checked]
    counters: Counters
    lines: LineCounts

    @property
    def drafts(self) -> list[Candidate]:
        return [Candidate(str(o.line), o.draft) for o in self.outcomes if o.draft is not None]


def run(path: Path, today: date) -> Run:
    source = AthleteImport(path, today)
    outcomes = list(source.outcomes())
    return Run(source, outcomes, source.counters, source.table.counts)


@pytest.fixture(scope="module")
def world_cup(athletes_folder: Path, today: date) -> Run:
    return run(athletes_folder / "worldcup_players.csv", today)


@pytest.fixture(scope="module")
def messy(athletes_folder: Path, today: date) -> Run:
    return run(athletes_folder / "import_fr_messy.csv", today)


@pytest.fixture(scope="module")
def labels(athletes_folder: Path) -> dict[int, tuple[str, str]]:
    text = (athletes_folder / "import_fr_messy_labels.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return {int(row["line"]): (row["label"], row["original_ref"]) for row in rows}


@pytest.fixture(scope="module")
def proposals(messy: Run) -> list[Proposal]:
    return propose(messy.drafts)


class TestWorldCup:
    def test_every_row_is_accepted_and_nothing_is_made_up(
        self, world_cup: Run, athletes_folder: Path
    ) -> None:
        text = (athletes_folder / "worldcup_players.csv").read_text(encoding="utf-8")
        published = list(csv.DictReader(io.StringIO(text)))

        assert world_cup.counters.rows == world_cup.counters.accepted == len(published) == 10_401
        for row, outcome in zip(published, world_cup.outcomes, strict=True):
            draft = outcome.draft
            assert draft is not None
            given = "" if row["given_name"] == "not applicable" else row["given_name"]
            assert (draft.family_name, draft.given_name) == (row["family_name"], given)
            assert draft.sex == ("F" if row["female"] == "1" else "M")
            day = row["birth_date"]
            known = day not in {"", "not available"}
            assert draft.birth_earliest == (date.fromisoformat(day) if known else None)
            assert draft.external_ids[0].value == row["player_id"]
            flags = ("goal_keeper", "defender", "midfielder", "forward")
            assert len((draft.position or "").split(", ")) == max(
                1, sum(row[flag] == "1" for flag in flags)
            )
            for kept in ("key_id", "list_tournaments", "player_wikipedia_link"):
                assert draft.attributes[kept] == row[kept]

    def test_only_what_the_data_lacks_is_remarked(self, world_cup: Run) -> None:
        codes = Counter(p.code for o in world_cup.outcomes for p in o.problems)

        assert codes == {"name.given_missing": 474, "birth.missing": 78}

    def test_no_two_players_are_certain_or_probable_duplicates(self, world_cup: Run) -> None:
        kinds = Counter(proposal.kind for proposal in propose(world_cup.drafts))

        assert kinds["certain"] == kinds["probable"] == 0
        assert kinds["possible_relatives"] >= 10


class TestMessyFrenchExport:
    def test_it_is_understood_without_hints(self, messy: Run) -> None:
        facts, mapping = messy.source.table.facts, messy.source.mapping

        assert (facts.format, facts.encoding, facts.delimiter) == ("csv", "utf-8-sig", ";")
        assert facts.heading_line == 1
        assert [(column.target, column.detail) for column in mapping.columns] == [
            ("external_id", "licence"),
            ("family_name", None),
            ("given_name", None),
            ("birth", None),
            ("sex", None),
            ("country", None),
            ("position", None),
        ]
        assert mapping.date_order == "day_first"
        assert mapping.country_systems == ("ISO",)
        assert mapping.notes == ()

    def test_the_counters_add_up(self, messy: Run) -> None:
        counters = messy.counters

        assert counters.rows == len(messy.outcomes) == 10_567
        assert counters.accepted + counters.rejected + counters.repeated == counters.rows
        assert (counters.rejected, counters.repeated) == (51, 50)
        assert (messy.lines.blank, messy.lines.unreadable) == (3, 0)

    def test_the_findings_are_the_labels_line_by_line(
        self, messy: Run, labels: dict[int, tuple[str, str]]
    ) -> None:
        expected: defaultdict[int, set[str]] = defaultdict(set)
        for line, (label, _) in labels.items():
            if not label.startswith("near_duplicate"):
                expected[line].add(CODES[label])
        found: defaultdict[int, set[str]] = defaultdict(set)
        for outcome in messy.outcomes:
            for problem in outcome.problems:
                found[outcome.line].add(problem.code)
        # A row has one label; those that lack both are labelled by the missing given name.
        both = [line for line, codes in found.items() if {"birth.missing"} < codes]
        for line in both:
            assert found[line] == {"birth.missing", "name.given_missing"}
            expected[line].add("birth.missing")

        assert len(both) == 4
        assert found == expected

    def test_rejected_are_exactly_the_rows_with_an_error(self, messy: Run) -> None:
        for outcome in messy.outcomes:
            severities = {problem.severity for problem in outcome.problems}
            assert (outcome.status == "rejected") == ("error" in severities)
            assert (outcome.draft is not None) == (outcome.status == "accepted")

    def test_repeated_rows_name_the_line_of_the_first(
        self, messy: Run, labels: dict[int, tuple[str, str]], athletes_folder: Path
    ) -> None:
        raw = (athletes_folder / "import_fr_messy.csv").read_text(encoding="utf-8-sig")
        lines = raw.splitlines()
        repeated = [outcome for outcome in messy.outcomes if outcome.status == "repeated"]

        for outcome in repeated:
            first = int(outcome.problems[0].message.split("line ")[1].split(":")[0])
            assert lines[first - 1] == lines[outcome.line - 1]
        assert {o.line for o in repeated} == {
            line for line, (label, _) in labels.items() if label == "exact_duplicate_row"
        }

    def test_near_duplicates_are_proposed_with_their_original(
        self, messy: Run, labels: dict[int, tuple[str, str]], proposals: list[Proposal]
    ) -> None:
        licence = {c.ref: c.draft.external_ids[0].value for c in messy.drafts}
        proposed = {
            frozenset((licence[p.left], licence[p.right])) for p in proposals if p.left in licence
        }
        wanted = {
            frozenset((licence[str(line)], original))
            for line, (label, original) in labels.items()
            if label.startswith("near_duplicate")
        }

        assert len(wanted) == 60
        assert len(wanted & proposed) >= 0.95 * len(wanted)

    def test_probable_is_right_and_nothing_is_certain(
        self, labels: dict[int, tuple[str, str]], proposals: list[Proposal]
    ) -> None:
        near = {str(line) for line, (label, _) in labels.items() if label.startswith("near_dup")}
        probable = [proposal for proposal in proposals if proposal.kind == "probable"]
        right = [proposal for proposal in probable if {proposal.left, proposal.right} & near]

        assert len(right) >= 57
        assert len(right) == len(probable)
        assert not [proposal for proposal in proposals if proposal.kind == "certain"]

    def test_twins_and_namesakes_are_never_probable(
        self, messy: Run, labels: dict[int, tuple[str, str]], proposals: list[Proposal]
    ) -> None:
        seeded = {str(line) for line in labels if not labels[line][0].startswith("base")}
        people = {c.ref: c.draft for c in messy.drafts}
        for proposal in proposals:
            if {proposal.left, proposal.right} & seeded:
                continue
            left, right = people[proposal.left], people[proposal.right]
            assert proposal.kind in {"possible", "possible_relatives"}
            if proposal.kind == "possible_relatives":
                assert left.family_name == right.family_name
                assert left.birth_day == right.birth_day
                assert left.given_name != right.given_name

    def test_a_second_upload_finds_everybody_again(self, messy: Run) -> None:
        again = [Candidate(f"stored {c.ref}", c.draft) for c in messy.drafts]

        found = propose(messy.drafts, again)

        certain = {p.left for p in found if p.kind == "certain" and p.right == f"stored {p.left}"}
        assert certain == {c.ref for c in messy.drafts}

    def test_formulas_are_kept_as_text_and_neutralised_on_export(
        self, messy: Run, labels: dict[int, tuple[str, str]]
    ) -> None:
        formulas = [
            outcome.draft
            for outcome in messy.outcomes
            if labels.get(outcome.line, ("", ""))[0].startswith("formula")
        ]

        assert len(formulas) == 5
        for draft in formulas:
            assert draft is not None
            assert draft.family_name.startswith('=HYPERLINK("http://x"')
            exported = b"".join(csv_chunks([draft], columns_of([draft]))).decode("utf-8-sig")
            family_name = next(csv.DictReader(io.StringIO(exported), delimiter=";"))["Nom"]
            assert family_name == f"'{draft.family_name}"

    @pytest.mark.parametrize("form", ["csv", "xlsx"])
    def test_an_export_imports_as_the_same_athletes(
        self, messy: Run, today: date, form: str
    ) -> None:
        drafts: list[AthleteDraft] = [c.draft for c in messy.drafts][-600:]
        file = io.BytesIO()
        if form == "csv":
            file.writelines(csv_chunks(drafts, columns_of(drafts)))
        else:
            write_xlsx(drafts, columns_of(drafts, "en"), file)

        source = AthleteImport(file, today)

        assert [outcome.draft for outcome in source.outcomes()] == drafts
        assert source.table.facts.format == form
