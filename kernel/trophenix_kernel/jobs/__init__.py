"""Background work: kept in PostgreSQL beside the change that asked for it, run by taskiq."""
