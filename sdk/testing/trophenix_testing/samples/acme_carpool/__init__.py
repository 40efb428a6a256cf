"""Rides to away games, shared."""
