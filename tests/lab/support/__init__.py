"""What tests on labs share."""

import collections
import collections.abc

# The Marathon client asks for a name that Python 3.10 took away.
vars(collections)["Iterable"] = collections.abc.Iterable
