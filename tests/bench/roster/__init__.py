"""A plugin with one table: what a request costs is not mixed with what a module does."""
