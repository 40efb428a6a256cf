"""Any file at all gives rows and row errors, or one typed error; memory stays bounded."""

import csv
import gzip
import io
import json
import resource
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_recruitment.model import RawRow, RowProblem
from trophenix_recruitment.problems import FileRefused, FileTooLarge, ImportRefused
from trophenix_recruitment.reading import Limits, Table, open_table

HEADING = "Nom;Prénom;Date de naissance\r\n"
KIB = 1024


def cells(table: Table) -> list[list[Any]]:
    return [row.cells for row in table.rows() if isinstance(row, RawRow)]


def problems(table: Table) -> list[tuple[int, str]]:
    return [(row.line, row.code) for row in table.rows() if isinstance(row, RowProblem)]


def lines(table: Table) -> list[int]:
    return [row.line for row in table.rows()]


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "found"),
        [
            ("utf-8", "utf-8"),
            ("utf-8-sig", "utf-8-sig"),
            ("utf-16", "utf-16"),
            ("utf-16-le", "utf-16-le"),
            ("utf-16-be", "utf-16-be"),
            ("cp1252", "cp1252"),
            ("latin-1", "cp1252"),
        ],
    )
    def test_french_text_is_read_in_each(self, encoding: str, found: str) -> None:
        text = HEADING + "Lefèvre;Zoé;12/05/1998\r\nMuñoz;François;13/06/1999\r\n" * 20

        table = open_table(text.encode(encoding))

        assert table.facts.encoding == found
        assert table.headings == ("Nom", "Prénom", "Date de naissance")
        assert cells(table)[0] == ["Lefèvre", "Zoé", "12/05/1998"]

    def test_curly_quotes_and_euros_make_it_cp1252(self) -> None:
        table = open_table((HEADING + "L’Hôte;Zoé;€\r\n").encode("cp1252"))

        assert cells(table) == [["L’Hôte", "Zoé", "€"]]

    def test_polish_text_is_not_taken_for_western(self) -> None:
        body = "Żewłakow;Michał;1976\r\nŁukasz;Świątek;1980\r\nBłaszczykowski;Jakub;1985\r\n" * 30

        table = open_table((HEADING.replace("é", "e") + body).encode("cp1250"))

        assert cells(table)[0] == ["Żewłakow", "Michał", "1976"]

    def test_an_encoding_may_be_named(self) -> None:
        table = open_table(
            (HEADING + "Ёлкин;Пётр;1990\r\n").encode("koi8-r", "replace"), encoding="koi8-r"
        )

        assert cells(table) == [["Ёлкин", "Пётр", "1990"]]

    @pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "utf-8\x00"])
    def test_an_unknown_encoding_is_refused(self, name: str) -> None:
        with pytest.raises(FileRefused) as refused:
            open_table(b"a;b\r\n", encoding=name)

        assert refused.value.code == "file.encoding_unknown"

    def test_one_damaged_row_does_not_spoil_the_others(self) -> None:
        good = "Lefèvre;Zoé;1998\r\n".encode() * 500

        table = open_table(HEADING.encode() + good + b"Mu\xf1oz;Ana;1999\r\n" + good)

        assert table.facts.encoding == "utf-8"
        read = cells(table)
        assert read[0] == ["Lefèvre", "Zoé", "1998"]
        assert read[500] == ["Mu\udcffoz", "Ana", "1999"]


class TestSeparators:
    @pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
    def test_each_is_detected(self, delimiter: str) -> None:
        rows = [
            ["Nom", "Prénom", "Taille (m)"],
            ["Durand", "Zoé", "1.75"],
            ["X; Y", "a, b", "1|2\t3"],
        ]
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=delimiter).writerows(rows)

        table = open_table(buffer.getvalue().encode())

        assert table.facts.delimiter == delimiter
        assert [list(table.headings), *cells(table)] == rows

    def test_decimal_commas_do_not_win(self) -> None:
        table = open_table(b"Nom;Taille (m)\nDurand;1,75\nMartin;1,80\n")

        assert table.facts.delimiter == ";"

    def test_the_line_that_names_the_separator_is_no_row(self) -> None:
        table = open_table(b"sep=,\r\nNom,Prenom\r\nDurand,Zoe\r\n")

        assert table.facts.heading_line == 2
        assert cells(table) == [["Durand", "Zoe"]]
        assert lines(table) == [3]


class TestLines:
    def test_numbers_are_those_of_the_physical_file(self) -> None:
        text = 'Nom;Note\n\nA;"one\ntwo\r\nthree"\n;\n   \nB;x\r\nC;y\rD;z'

        table = open_table(text.encode())

        assert lines(table) == [3, 8, 9, 10]
        assert table.counts.blank == 3
        assert cells(table)[0] == ["A", "one\ntwo\r\nthree"]

    def test_lines_before_the_heading_are_told(self) -> None:
        table = open_table("Fédération;;\nListe 2026;;\nNom;Prénom;Sexe\nDurand;Zoé;F\n".encode())

        assert table.facts.preamble == (1, 2)
        assert table.facts.heading_line == 3
        assert lines(table) == [4]

    def test_a_file_without_heading_loses_no_row(self) -> None:
        table = open_table("Durand;Zoé;1998-05-12\nMartin;Léa;1999-06-13\n".encode())

        assert table.facts.heading_line is None
        assert table.headings == ("column 1", "column 2", "column 3")
        assert lines(table) == [1, 2]

    def test_a_separator_that_closes_the_heading_only_adds_no_column(self) -> None:
        assert open_table(b"Nom;Prenom;;\nA;B\n").headings == ("Nom", "Prenom")
        assert len(open_table(b"Nom;Prenom;;\nA;B;;x\n").headings) == 4

    def test_equal_and_empty_headings_become_different(self) -> None:
        table = open_table(b"Nom;Club;Club;;Prenom\nA;1;2;3;B\n")

        assert table.headings == ("Nom", "Club", "Club (2)", "column 4", "Prenom")

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.lists(st.text(alphabet='ab";\n\r,é', max_size=6), min_size=3, max_size=3),
            min_size=1,
            max_size=8,
        )
    )
    def test_every_row_starts_on_the_line_where_it_was_written(self, rows: list[list[str]]) -> None:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=";")
        writer.writerow(["Nom", "Prénom", "Sexe"])
        expected: dict[int, list[str]] = {}
        for row in rows:
            before = buffer.getvalue()
            line = len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
            if any(cell.strip() for cell in row):
                expected[line] = row
            writer.writerow(row)

        table = open_table(buffer.getvalue().encode(), delimiter=";")

        assert {row.line: row.cells for row in table.rows() if isinstance(row, RawRow)} == expected


class TestBrokenRows:
    def test_an_open_quote_costs_its_own_line_only(self) -> None:
        text = 'Nom;Prénom\nA;a\n"B;b\nC;c\nD;d\n'

        table = open_table(text.encode())

        assert problems(table) == [(3, "row.quote_open")]
        assert cells(table) == [["A", "a"], ["C", "c"], ["D", "d"]]

    def test_too_many_open_quotes_end_the_reading(self) -> None:
        # Each quote swallows more than a row can hold before the next one closes it.
        block = '"A;a\n' + "B;b\n" * 60
        table = open_table(
            ("Nom;Prenom\n" + block * 8).encode(), limits=Limits(row_chars=100, open_quotes=5)
        )

        with pytest.raises(FileRefused) as refused:
            list(table.rows())

        assert refused.value.code == "csv.quotes_unbalanced"
        assert refused.value.line is not None

    def test_a_long_field_and_a_long_line_are_row_errors(self) -> None:
        limits = Limits(field_chars=100, row_chars=1000)
        text = f"Nom;Prénom\nA;a\n{'B' * 101};b\nC;c\n{'D' * 5000};d\nE;e\n"

        table = open_table(text.encode(), limits=limits)

        assert problems(table) == [(3, "field.too_long"), (5, "row.too_long")]
        assert cells(table) == [["A", "a"], ["C", "c"], ["E", "e"]]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_a_line_of_exactly_the_limit_keeps_the_numbers_right(self, end: str) -> None:
        for length in range(15, 26):
            text = f"Nom;Prenom{end}A;{'a' * length}{end}B;b{end}"

            table = open_table(text.encode(), limits=Limits(row_chars=20))

            assert lines(table) == [2, 3], length

    def test_a_field_of_ten_megabytes_is_one_row_error(self) -> None:
        text = b"Nom;Prenom\nA;" + b"x" * (10 * KIB * KIB) + b"\nB;b\n"

        table = open_table(text)

        assert problems(table) == [(2, "row.too_long")]
        assert cells(table) == [["B", "b"]]

    def test_a_nul_byte_stays_in_its_row(self) -> None:
        table = open_table(b"Nom;Prenom\nA\x00;a\n" + b"B;b\n" * 100)

        assert cells(table)[0] == ["A\x00", "a"]
        assert len(cells(table)) == 101


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "code", "word"),
        [
            (b"", "file.empty", "empty"),
            (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "file.not_a_list", "PNG"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "file.not_a_list", "PDF"),
            (b"\x7fELF\x02\x01\x01" + bytes(64), "file.not_a_list", "ELF"),
            (gzip.compress(b"Nom;Prenom\n", mtime=0), "file.not_a_list", "gzip"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "file.old_workbook", "Office"),
            (bytes(range(32)) * 100, "file.not_a_list", "binary"),
            (b"\x00" * 5000, "file.not_a_list", "binary"),
            (b"\r\n \r\n,,\r\n", "file.no_rows", "without"),
            (b"[]", "file.no_rows", "without"),
        ],
    )
    def test_what_is_no_list_is_named(self, content: bytes, code: str, word: str) -> None:
        with pytest.raises(FileRefused) as refused:
            open_table(content)

        assert refused.value.code == code
        assert word in refused.value.found
        assert refused.value.expected
        assert refused.value.next_step

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileRefused) as refused:
            open_table(tmp_path / "nowhere.csv")

        assert refused.value.code == "file.missing"

    def test_a_gigabyte_is_refused_by_its_size(self, tmp_path: Path) -> None:
        path = tmp_path / "large.csv"
        with path.open("wb") as file:
            file.truncate(KIB**3)

        with pytest.raises(FileTooLarge) as refused:
            open_table(path)

        assert refused.value.code == "file.too_large"
        assert "1,073,741,824" in refused.value.found

    def test_an_endless_stream_is_cut_off(self) -> None:
        class Endless(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any, /) -> int:
                buffer[:] = b"a;b\n" * (len(buffer) // 4) + b"a" * (len(buffer) % 4)
                return len(buffer)

        with pytest.raises(FileTooLarge):
            open_table(io.BufferedReader(Endless()), limits=Limits(file_bytes=KIB * KIB))

    def test_a_stream_that_cannot_go_back_is_read_all_the_same(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", "print('Nom;Prenom\\nA;a')"], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            table = open_table(process.stdout)  # pyright: ignore[reportArgumentType]

            assert cells(table) == cells(table) == [["A", "a"]]

    def test_too_many_rows_and_columns_are_refused(self) -> None:
        table = open_table(b"Nom;Prenom\n" + b"A;a\n" * 11, limits=Limits(rows=10))
        with pytest.raises(FileTooLarge) as refused:
            list(table.rows())
        assert (refused.value.code, refused.value.line) == ("file.too_many_rows", 12)

        with pytest.raises(FileTooLarge) as refused:
            open_table((";".join(f"h{n}" for n in range(201)) + "\n").encode() + b"1;2\n")
        assert refused.value.code == "file.too_many_columns"


class TestJson:
    def test_an_array_gives_rows_with_the_lines_they_start_on(self) -> None:
        document = b'[\n {"first_name": "Ana",\n  "n": 1},\n\n {"last_name": "B", "n": null}\n]'

        table = open_table(document)

        assert table.facts.format == "json"
        assert table.headings == ("first_name", "n", "last_name")
        assert [(row.line, row.cells) for row in table.rows() if isinstance(row, RawRow)] == [
            (2, ["Ana", 1, None]),
            (5, [None, None, "B"]),
        ]

    def test_the_list_may_be_a_member(self) -> None:
        body = {"source": "csv", "batch_size": 1000, "athletes": [{"name": "A"}, {"name": "B"}]}

        for indent in (None, 2):
            table = open_table(json.dumps(body, indent=indent).encode())
            assert cells(table) == [["A"], ["B"]]

    def test_json_lines_report_a_bad_line_and_go_on(self) -> None:
        table = open_table(b'{"name": "A"}\n\n{"name": oops}\n[1]\n{"name": "B", "x": {"y": 1}}\n')

        assert table.facts.format == "jsonl"
        assert problems(table) == [(3, "row.not_json"), (4, "row.not_object")]
        assert [row.line for row in table.rows() if isinstance(row, RawRow)] == [1, 5]

    def test_members_that_come_late_are_columns_up_to_the_limit(self) -> None:
        objects: list[dict[str, Any]] = [{"name": f"A{n}"} for n in range(300)]
        objects.append({"name": "B", "late": 1, "later": 2})

        table = open_table(json.dumps(objects).encode(), limits=Limits(columns=2))
        *_, last = table.rows()

        assert table.headings == ("name", "late")
        assert last == RawRow(1, ["B", 1], {"later": 2})

    @pytest.mark.parametrize(
        ("document", "rows"),
        [
            (b'[{"a": 1}, {"a": 2}', 2),
            (b'[{"a": 1}, {"a": ', 1),
            (b'[{"a": 1} {"a": 2}]', 1),
            (b'[{"a": 1}, ]', 1),
            (b'[{"a": 1}, {"a": NaN}]', 1),
            (b'[{"a": 1}, ' + b"[" * 100_000, 1),
            (b'[{"a": 1}, {"a": ' + b"9" * 10_000 + b"}]", 1),
        ],
    )
    def test_a_broken_array_is_refused_after_the_rows_before_the_break(
        self, document: bytes, rows: int
    ) -> None:
        read: list[RawRow | RowProblem] = []

        with pytest.raises(FileRefused) as refused:
            read.extend(open_table(document).rows())

        assert refused.value.code == "json.broken"
        assert len(read) <= rows

    def test_a_large_array_is_read_through_a_small_window(self) -> None:
        objects = [{"name": f"Athlete {n}", "note": "x" * (n % 97)} for n in range(5000)]
        document = json.dumps(objects, indent=1).encode()

        table = open_table(document, limits=Limits(row_chars=500))

        assert len(cells(table)) == 5000
        text = document.decode().splitlines()
        assert all("{" in text[line - 1] for line in lines(table))

    def test_an_object_that_is_too_long_is_a_row_error_or_ends_the_reading(self) -> None:
        document = json.dumps([{"a": "x"}, {"a": "x" * 300}, {"a": "y"}]).encode()

        table = open_table(document, limits=Limits(row_chars=200))

        assert problems(table) == [(1, "row.too_long")]


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet: Any = book.create_sheet("Liste")
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repacked(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return file.getvalue()


class TestWorkbooks:
    def test_cells_keep_their_kind_and_rows_their_numbers(self) -> None:
        content = workbook(
            [
                ["Nom", "Prénom", "Date de naissance", "Taille", "Note"],
                [],
                ["Durand", "Zoé", datetime.fromisoformat("1998-05-12"), 175.5, True],
                ["Martin", None, date(1999, 6, 13), 180],
                ["O'Neil", "=1+1", "1998", None, "#N/A"],
            ]
        )

        table = open_table(content)

        assert table.facts.format == "xlsx"
        assert [(row.line, row.cells) for row in table.rows() if isinstance(row, RawRow)] == [
            (3, ["Durand", "Zoé", "1998-05-12", 175.5, True]),
            (4, ["Martin", None, "1999-06-13", 180, None]),
            (5, ["O'Neil", None, "1998", None, "#N/A"]),
        ]
        assert table.counts.blank == 1

    def test_a_second_pass_gives_the_same_rows(self) -> None:
        long = "x" * 200
        content = workbook([["Nom", "Sexe"], ["A", "F"], [], [long, "M"], ["B", "F"]])
        table = open_table(content, limits=Limits(field_chars=100))

        first = list(table.rows())
        counts = table.counts

        assert list(table.rows()) == first
        assert table.counts == counts
        assert problems(table) == [(4, "field.too_long")]

    def test_a_zip_bomb_is_refused_before_it_is_opened(self) -> None:
        def swell(name: str, content: bytes) -> bytes:
            if name == "xl/worksheets/sheet1.xml":
                return content.replace(b"</sheetData>", b"</sheetData>" + b" " * (40 * KIB * KIB))
            return content

        bomb = repacked(workbook([["Nom", "Sexe"], ["A", "F"]]), swell)
        assert len(bomb) < 100 * KIB

        with pytest.raises(FileTooLarge) as refused:
            open_table(bomb)

        assert refused.value.code == "workbook.too_large"

    def test_a_size_that_lies_does_not_help(self) -> None:
        content = bytearray(workbook([["Nom", "Sexe"], ["A", "F"]] * 2000))
        with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
            size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
        told = size.to_bytes(4, "little")
        while told in content:
            at = content.index(told)
            content[at : at + 4] = (500).to_bytes(4, "little")

        with pytest.raises(FileRefused) as refused:
            list(open_table(bytes(content)).rows())

        assert refused.value.code in {"workbook.broken", "workbook.too_large"}

    @pytest.mark.parametrize(
        "part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"]
    )
    def test_entities_are_refused(self, part: str) -> None:
        def declare(name: str, content: bytes) -> bytes:
            if name != part:
                return content
            body = content.partition(b"?>")[2] if content.startswith(b"<?xml") else content
            return b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + body

        with pytest.raises(FileRefused) as refused:
            open_table(repacked(workbook([["Nom", "Sexe"], ["A", "F"]]), declare))

        assert refused.value.code == "workbook.entities"

    def test_one_endless_row_is_refused(self) -> None:
        def widen(name: str, content: bytes) -> bytes:
            if name == "xl/worksheets/sheet1.xml":
                cell = b"".join(b'<c r="A1" t="n"><v>%d</v></c>' % n for n in range(20_000))
                return content.replace(b"</row>", cell + b"</row>", 1)
            return content

        with pytest.raises(FileTooLarge) as refused:
            open_table(repacked(workbook([["Nom", "Sexe"], ["A", "F"]]), widen))

        assert refused.value.code == "workbook.too_large"

    def test_a_row_number_out_of_this_world_is_refused(self) -> None:
        def jump(_name: str, content: bytes) -> bytes:
            return content.replace(b'r="3"', b'r="99999999"')

        content = repacked(workbook([["Nom", "Sexe"], ["A", "F"], ["B", "M"]]), jump)

        with pytest.raises(FileRefused) as refused:
            list(open_table(content).rows())

        assert refused.value.code == "workbook.broken"

    def test_another_zip_archive_is_no_workbook(self) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("list.csv", "Nom;Prenom\n")

        with pytest.raises(FileRefused) as refused:
            open_table(file.getvalue())

        assert refused.value.code == "file.not_a_list"

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 5000), st.binary(min_size=1, max_size=40))
    def test_a_damaged_workbook_gives_rows_or_a_typed_error(self, at: int, junk: bytes) -> None:
        content = bytearray(workbook([["Nom", "Sexe"], ["A", "F"]]))
        at %= len(content)
        content[at : at + len(junk)] = junk

        try:
            list(open_table(bytes(content)).rows())
        except ImportRefused as error:
            refused = error
        else:
            return

        assert refused.code


class TestAnything:
    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.one_of(
            st.binary(max_size=400),
            st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.text(max_size=200).map(lambda text: text.encode("utf-16", "surrogatepass")),
            st.text(alphabet='[]{}":, \n\\u019ea', max_size=80).map(str.encode),
            st.text(alphabet="\"';,\t|\r\nNom\x00", max_size=80).map(str.encode),
            st.binary(max_size=100).map(lambda tail: b"PK\x03\x04" + tail),
        )
    )
    def test_any_bytes_give_rows_and_problems_or_a_typed_error(self, content: bytes) -> None:
        try:
            table = open_table(content)
            rows = list(table.rows())
        except ImportRefused as error:
            refused = error
        else:
            assert table.counts.rows == len(rows)
            numbers = [row.line for row in rows]
            assert numbers == sorted(numbers)
            return

        assert refused.code
        assert refused.found
        assert refused.next_step

    def test_memory_does_not_grow_with_the_file(self) -> None:
        def peak(rows: int) -> int:
            with tempfile.TemporaryFile() as file:
                file.write(HEADING.encode())
                for number in range(rows):
                    file.write(b"Durand %d;Zoe;1998-05-12\r\n" % number)
                table = open_table(file)
                tracemalloc.start()
                try:
                    for _ in table.rows():
                        pass
                    return tracemalloc.get_traced_memory()[1]
                finally:
                    tracemalloc.stop()

        assert peak(20_000) < 2 * peak(2_000) + 100 * KIB

    def test_hostile_files_stay_within_a_small_address_space(self, tmp_path: Path) -> None:
        """Two million rows, one line of 150 MB and 150 MB of open quotes, in 600 MB altogether."""
        program = tmp_path / "hostile.py"
        program.write_text(
            "import sys, resource\n"
            "resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))\n"
            "from pathlib import Path\n"
            "from trophenix_recruitment.problems import ImportRefused\n"
            "from trophenix_recruitment.reading import open_table\n"
            "for name in sys.argv[1:]:\n"
            "    rows = 0\n"
            "    try:\n"
            "        for _ in open_table(Path(name)).rows():\n"
            "            rows += 1\n"
            "        print(rows)\n"
            "    except ImportRefused as refused:\n"
            "        print(refused.code)\n",
            encoding="utf-8",
        )
        many, line, quotes, array = (
            tmp_path / name for name in ("many", "line", "quotes", "array")
        )
        many.write_bytes(HEADING.encode() + b"Durand;Zoe;1998-05-12\r\n" * 2_000_000)
        with line.open("wb") as file:
            file.write(b"Nom;Prenom\n")
            for _ in range(150):
                file.write(b"x" * KIB * KIB)
        with quotes.open("wb") as file:
            file.write(b"Nom;Prenom\nA;a\n")
            for _ in range(150):
                file.write(b'"a;b\nc' * (KIB * KIB // 6))
        with array.open("wb") as file:
            file.write(b'[{"a": 1}, {"a": "')
            for _ in range(150):
                file.write(b"x" * KIB * KIB)

        done = subprocess.run(
            [sys.executable, str(program), str(many), str(line), str(quotes), str(array)],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

        assert done.returncode == 0, done.stderr
        many_found, line_found, quotes_found, array_found = done.stdout.split()
        assert many_found == "file.too_many_rows"
        assert line_found == "1"
        assert quotes_found in {"csv.quotes_unbalanced", "file.too_many_rows"}
        assert array_found == "json.broken"
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
