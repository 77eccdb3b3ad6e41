"""What all offline tests run under."""

import os
import sys

from hypothesis import settings

# A busy machine is no fault of the code: by default an example that takes 200 ms fails its test.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# No engine: a test that asks one passes where it happens to run and fails on a fresh machine.
os.environ["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"

# Where what Python compiles may not be kept, each of the hundreds of programs that tests start compiles its modules again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
