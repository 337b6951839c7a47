"""Lookup tables: maps from keys to values that live in a session."""
