"""Where the team eats."""
