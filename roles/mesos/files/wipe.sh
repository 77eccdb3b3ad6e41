#!/bin/sh
# Deletes folders of Mesos with all that is mounted in them, and prints those that were there. Arguments: the folders, the work folder first.
set -e
for folder; do
  awk -v top="$folder" '$2 == top || index($2, top "/") == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r -n 1 umount
  [ ! -e "$folder" ] || { rm -rf "$folder"; echo "$folder"; }
done
# What both components share goes with the last of them, unless it is a file system of its own.
rmdir "${1%/*}" 2>/dev/null || true
