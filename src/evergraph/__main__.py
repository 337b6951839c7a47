"""`python -m evergraph`: the `evergraph` command."""

from evergraph.cli.main import main

main()
