"""Lists of athletes as files: CSV, XLSX, JSON and JSON Lines, read row by row in bounded memory."""

from trophenix_recruitment.reading.limits import Limits
from trophenix_recruitment.reading.table import LineCounts, Table, TableFacts, open_table

__all__ = ["Limits", "LineCounts", "Table", "TableFacts", "open_table"]
