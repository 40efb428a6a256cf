"""The module's operations: what can be done with athletes, through every door."""
