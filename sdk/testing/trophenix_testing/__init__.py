"""A running kernel, a database and two tenants in one pytest fixture."""
