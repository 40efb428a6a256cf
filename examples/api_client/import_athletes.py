"""Import a file of athletes: look first, then apply, then show the best ranked.

    python import_athletes.py athletes.csv --sport tennis

Exit status: 0 imported, 1 refused or failed, 2 wrongly called.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trophenix import ImportResult, TrophenixClient, TrophenixError


def main(arguments: list[str] | None = None) -> int:
    """Carry out the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Import athletes into Trophenix.")
    parser.add_argument("file", type=Path, help="a .csv, .xlsx or .json file")
    parser.add_argument("--sport", help="afterwards, list the best ranked of this sport")
    parser.add_argument(
        "--max-rejected", type=int, default=0, help="apply although so many rows are refused"
    )
    wishes = parser.parse_args(arguments)
    try:
        with TrophenixClient() as client:  # key, tenant and address come from TROPHENIX_*
            return run(client, wishes.file, wishes.sport, wishes.max_rejected)
    except (TrophenixError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def run(client: TrophenixClient, file: Path, sport: str | None, max_rejected: int) -> int:
    """Import *file* unless more than *max_rejected* rows would be refused."""
    preview = client.athletes.bulk_import(file_path=file, mode="preview", on_progress=show)
    print(f"\n{preview.total} rows, {preview.rejected} would be refused")
    if preview.rejected > max_rejected:
        report(preview)
        return 1

    done = client.athletes.imports.apply(preview.batch_id, on_progress=show)
    print(f"\n{done.imported} new, {done.updated} updated, {done.errors} errors")
    report(done)

    if sport is not None:
        for athlete in client.athletes.search(sport=sport, sort="ranking", limit=10):
            print(f"{athlete.ranking}. {athlete.name}")
    return 0


def show(percent: int) -> None:
    """Draw the progress on one line."""
    print(f"\rProgress: {percent:3}%", end="", flush=True)


def report(result: ImportResult) -> None:
    """List the refused rows as a spreadsheet user finds them."""
    for row in result.rows():
        print(f"  line {row.line}, {row.column}: {row.message} (found {row.value!r})")


if __name__ == "__main__":
    sys.exit(main())
