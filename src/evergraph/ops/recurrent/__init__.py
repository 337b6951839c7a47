"""Recurrent cells as one op each, and an LSTM over a whole sequence as one op."""
