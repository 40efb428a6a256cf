"""Runs the Alembic history of the kernel and of every plugin."""
