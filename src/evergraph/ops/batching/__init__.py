"""Runs that come at the same time, put together into batches."""
