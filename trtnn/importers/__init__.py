"""Importers: other libraries' model files as modules."""
