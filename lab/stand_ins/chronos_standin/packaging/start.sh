#!/bin/sh
# The entry point of the image, at the real one's path. PORT0 is the HTTP port, PORT1 that of libprocess; both must be set.
export LIBPROCESS_PORT="${PORT1:?PORT1 is not set}"
# shellcheck disable=SC2068 # split into words, as the real one does
exec /usr/bin/python3 -m chronos_standin.program $@ --http_port "${PORT0:?PORT0 is not set}"
