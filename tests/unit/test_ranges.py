"""Host ranges mean what they mean to Ansible."""

from __future__ import annotations

import string

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.inventory import expand_hostname_range
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.inventory.formats import expand

_NUMBERS = st.integers(0, 120).map(str)
_PADDED = st.builds(str.zfill, _NUMBERS, st.sampled_from([2, 3]))
_ENDS = st.one_of(_NUMBERS, _PADDED, st.sampled_from(string.ascii_letters), st.just(""))
_STEPS = st.sampled_from(["", ":1", ":2", ":7", ":0", ":"])
_RANGES = st.builds("[{}:{}{}]".format, _ENDS, _ENDS, _STEPS)
_TEXTS = st.sampled_from(["", "m", "rack-", ".example.com", "198.51.100."])
_PATTERNS = st.one_of(st.builds("{}{}{}".format, _TEXTS, _RANGES, _TEXTS), st.builds("{}{}-{}{}".format, _TEXTS, _RANGES, _RANGES, _TEXTS))


@settings(max_examples=500)
@given(_PATTERNS)
def test_a_range_gives_the_hosts_that_ansible_gives(pattern: str) -> None:
    try:
        expected = expand_hostname_range(pattern)
    except (AnsibleError, ValueError):
        expected = []
    if expected:
        assert expand(pattern) == expected
    else:  # what Ansible refuses or takes for no host at all
        with pytest.raises(ValueError, match="range"):
            expand(pattern)


@pytest.mark.parametrize("pattern", ["rack-[a:c]", "r[X:Z]", "[y:B]", "m[01:10:3]", "m[:3]", "m[0:3].example.com", "r[1:2]-[08:11]-[a:b]"])
def test_each_form_of_range(pattern: str) -> None:
    assert expand(pattern) == expand_hostname_range(pattern)
    assert len(expand(pattern)) > 1
