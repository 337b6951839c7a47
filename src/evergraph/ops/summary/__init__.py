"""Summaries: ops that give what TensorBoard shows, as serialized `Summary` messages."""
