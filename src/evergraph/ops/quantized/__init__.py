"""Numbers stored as integers of few bits, and what they stand for."""
