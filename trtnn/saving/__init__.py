"""Engines on disk: what the target runs as it is, and a sidecar that says in JSON what it is and where it fits."""
