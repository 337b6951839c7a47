"""Ops that call back into the program: Python functions, and printing."""
