"""What plugin authors run: `trophenix-plugin new` and `trophenix-plugin check`."""
