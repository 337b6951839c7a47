"""Lists of tensors as values: `TensorListPushBack` and its kin, of which control flow v2 makes its TensorArrays."""
