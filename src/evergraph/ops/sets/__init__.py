"""Sets along the last dimension of dense and sparse tensors."""
