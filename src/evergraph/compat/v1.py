"""The whole API: `evergraph.compat.v1` is `evergraph` itself."""

import sys

sys.modules[__name__] = sys.modules["evergraph"]
