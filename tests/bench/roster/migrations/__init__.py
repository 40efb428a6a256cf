"""The history of the plugin's table."""
