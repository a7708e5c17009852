"""Targets: each turns a lowered graph into an engine."""
