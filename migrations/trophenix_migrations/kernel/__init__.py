"""The kernel's own history."""
