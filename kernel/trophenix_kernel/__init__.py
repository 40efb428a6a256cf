"""The Trophenix kernel: tenants, identity, permissions, and the machinery that hosts plugins."""
