"""The web door: HTTP in, problems and pages out."""
