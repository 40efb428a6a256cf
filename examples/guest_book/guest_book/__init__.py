"""A guest book for each tenant."""
