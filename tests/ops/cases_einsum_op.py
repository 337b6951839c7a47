"""The op Einsum, which newer graphs hold."""

import numpy as np
from ops.case import Case, floats

CASES = []


def einsum(equation, *shapes, **options):
    """A case whose inputs are arrays of these shapes; `open` says that the placeholders do not know theirs."""
    inputs = [floats(*shape, seed=i) for i, shape in enumerate(shapes)]
    dtype = options.get("dtype")
    if dtype:
        inputs = [x.astype(dtype) * (1 + 0.5j) for x in inputs]
    name = equation.replace("->", " to ").replace("...", "~") + options.get("suffix", "") + str(list(shapes))
    static = options.get("open")
    CASES.append(
        Case(
            name,
            lambda tf, *tensors: tf.raw_ops.Einsum(inputs=list(tensors), equation=equation),
            *inputs,
            gradient=False,
            shapes=dict(enumerate(static)) if static else None,
            rtol=1e-4,
            atol=1e-4,
        )
    )


einsum("->", ())
einsum("ab->", (3, 4))
einsum("aa->a", (3, 3))
einsum("aab->ba", (3, 3, 2))
einsum("abc->cab", (2, 3, 4))
einsum("...ijk->...ki", (2, 3, 4, 5))
einsum("i...ii->...i", (3, 2, 3, 3))
einsum("a->aa", (3,))
einsum("ab->aba", (3, 2))
einsum("ab->bbaa", (3, 2))
einsum(",->", (), ())
einsum("ij,jk->ik", (2, 3), (3, 4))
einsum("ij,jk->ki", (2, 3), (3, 4), dtype=np.complex64, suffix=" complex")
einsum("aab,bcc->ac", (2, 2, 3), (3, 4, 4))
einsum("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 4))
einsum("i...j,j...k->...ik", (2, 1, 3, 1, 3), (3, 1, 7, 5))
einsum("ij,jk->ik", (2, 3), (3, 4), open=[[None, 3], None], suffix=" open")
einsum("...ij,...jk->...ik", (2, 2, 3), (1, 3, 4), open=[[2, None, 3], [1, 3, None]], suffix=" open")
einsum("...i,...i->...", (4, 2), (1, 2), open=[[None, 2], [1, 2]], suffix=" open")
# Refused, while the graph is built or when it runs.
einsum("ij,jk,kl->il", (2, 3), (3, 4), (4, 2))
einsum("ij->k", (2, 3))
einsum("ij->ij", (2, 3, 4))
einsum("...ij->ij", (2, 3, 4))
einsum("i,i->", (2,), (3,))
einsum("i,i->", (1,), (3,), suffix=" no broadcasting")
einsum("...,...->...", (2, 4), (3,))
einsum("ij->ij", (2, 3, 4), open=[None], suffix=" at run time")
einsum("...ij->ij", (2, 3, 4), open=[None], suffix=" at run time")
einsum("i,i->", (1,), (3,), open=[None, None], suffix=" at run time")
einsum("...,...->...", (2, 4), (3,), open=[None, None], suffix=" at run time")
