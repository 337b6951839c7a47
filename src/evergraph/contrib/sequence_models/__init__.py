"""Models from sequence to sequence: `tf.contrib.seq2seq` and the older `tf.contrib.legacy_seq2seq`."""
