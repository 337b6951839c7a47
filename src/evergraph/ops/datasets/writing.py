"""Datasets written to files: `DatasetToTFRecord`."""

from __future__ import annotations

from typing import Any

from evergraph.formats.tfrecord import RecordWriter
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.readers import text_of
from evergraph.ops.opdef import op
from evergraph.ops.running import Running


@op("DatasetToTFRecord", host=True, session=True, differentiable=False)
def dataset_to_tf_record(xp: Any, dataset: Any, filename: Any, compression_type: Any, *, run: Running) -> None:
    """Write every element, a string, as a record of a TFRecord file."""
    context = Context(run)
    try:
        with RecordWriter(text_of(filename), text_of(compression_type)) as writer:
            for (record,) in dataset.iterate(context, "ToTFRecordOpIterator"):
                run.check()
                writer.write(record if type(record) is bytes else record[()])
    finally:
        context.close()
