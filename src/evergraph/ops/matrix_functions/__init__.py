"""Functions of matrices: exponentials, roots, pseudo-inverses, least squares, tridiagonal systems."""
