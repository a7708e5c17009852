"""Measuring networks: what they compute, and how long engines take for it."""
