"""Greetings: an example of a Trophenix plugin."""
