"""Tenants: their data, their tree, and how a call finds its tenant."""
