"""SavedModels: graphs with their variables, assets and signatures in one directory."""
