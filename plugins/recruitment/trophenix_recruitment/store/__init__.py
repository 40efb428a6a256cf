"""The module's SQL, and no SQL anywhere else."""
