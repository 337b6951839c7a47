"""Queues, barriers, staging areas and accumulators: values that wait in a session between runs."""
