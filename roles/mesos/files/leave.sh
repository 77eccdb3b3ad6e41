#!/bin/sh
# Stops a daemon of Mesos for good. Argument: its unit.
# SIGUSR1 lets an agent leave at once and end its tasks; after a plain stop it would be listed for 75 seconds and its tasks would run on.
set -e
unit=$1
if [ "$unit" = mesos-agent ]; then
  mkdir -p "/run/systemd/system/$unit.service.d"
  printf '[Service]\nKillSignal=SIGUSR1\n' >"/run/systemd/system/$unit.service.d/leave.conf"
  systemctl daemon-reload
fi
systemctl disable --now "$unit"
rm -rf "/run/systemd/system/$unit.service.d"
