"""Athlete profiles: search, bulk import, duplicates, export."""
