"""What all offline tests run under."""

from hypothesis import settings

# A busy machine is no fault of the code: by default an example that takes 200 ms fails its test.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
