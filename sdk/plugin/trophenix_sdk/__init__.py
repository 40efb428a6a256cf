"""All that a Trophenix plugin or theme author needs."""
