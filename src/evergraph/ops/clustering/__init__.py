"""Ops for finding clusters of points."""
