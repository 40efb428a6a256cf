"""Plugins: found, judged, loaded and called; a broken one never stops the platform."""
