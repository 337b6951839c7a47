"""Datasets and iterators: `TensorSliceDataset`, `MapDataset`, `IteratorGetNext`, ..."""
