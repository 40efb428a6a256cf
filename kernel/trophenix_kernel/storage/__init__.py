"""The way to PostgreSQL: clusters, pools, one transaction for one tenant, and the proof that tables are closed."""
