"""The probe: one small program that answers everything the driver asks a host. It only looks, except for the notes about
what was applied (`notes.py`), which it writes when told to.

It is sent through one SSH exec (`observe/payload.py`) and imported there as `probe`, with the health of the components that are asked
for as `components.<name>.health`. So it is limited to the standard library and to the syntax and library of Python 3.6: no walrus, no
`from __future__ import annotations` (quote annotations such as "dict[str, Any]" instead), no `capture_output` nor `text=` (3.7), no
`missing_ok` (3.8). It imports nothing of `provisioner` but itself.
"""
