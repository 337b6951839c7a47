"""Readers: ops that take the names of files from a queue and give their records one after the other."""
