"""Who may do what: Casbin decides, compiled sets answer."""
