"""Starts the stand-in of Chronos."""

import sys

sys.path[:0] = ["/usr/lib/chronos-standin", "/usr/lib/framework-standin"]

from chronos_standin.program import main  # noqa: E402

sys.exit(main())
