"""Ops on strings: joining, splitting, matching, hashing, converting."""
