#!/bin/sh
# Runs in a container of the system that the package is for: installs the compiler of /tools and fills /out/rootfs. $1 is the archive's
# name in /archive, $2 the path of the library in it, $3 the release, $4 what the sources are to know of it, $5 the owner of the result.
set -eu
# However this ends: a user who is not root could not remove what is half done.
trap 'chown --recursive "$5" /out' EXIT
# Unpacked is enough for a compiler that is thrown away with the container.
dpkg --force-unsafe-io --unpack /tools/*.deb >/dev/null
make --silent --jobs="$(nproc)" --directory /source OBJECTS=/tmp/objects DESTDIR=/out/rootfs ARCHIVE="/archive/$1" MEMBER="$2" VERSION="$3" DEFINES="$4" install
