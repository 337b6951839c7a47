"""From serialized records (`Example`, `SequenceExample`, CSV, raw bytes) to tensors."""
