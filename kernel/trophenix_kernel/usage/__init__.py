"""How much is used: calls counted and bounded, without asking the database on each."""
