from hypothesis import settings

# A busy machine is not a failure; what Hypothesis itself sets for CI stays.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")
