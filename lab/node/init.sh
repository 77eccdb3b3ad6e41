# shellcheck shell=sh
# First program of a node, before systemd takes over as PID 1. $1 is the node's name, $2 the default gateway, $3 the name server.

# Vagrant starts a host in the same moment as it makes it, so the files that only this host has come beside it. Otherwise they are there already.
if [ -e /run/identity.tar ]; then
  [ -e /etc/ssh/ssh_host_ed25519_key ] || tar -C / -xf /run/identity.tar
  umount /run/identity.tar
  rm /run/identity.tar
fi

# The container engine lays files of its own over these three, which nobody can then replace by renaming; a real machine has plain files.
umount /etc/hosts /etc/hostname /etc/resolv.conf
[ -s /etc/hostname ] || echo "$1" >/etc/hostname
[ -s /etc/hosts ] || printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$1" >/etc/hosts
[ -s /etc/resolv.conf ] || printf 'nameserver %s\n' "$3" >/etc/resolv.conf

# Every boot of a machine has an id of its own; a container would show the id of the machine it runs on.
cat /proc/sys/kernel/random/uuid >/run/boot-id
mount --bind /run/boot-id /proc/sys/kernel/random/boot_id

# A network without a way out has no default route either, but programs that ask for the host's address look for one.
ip route replace default via "$2"

# cgroup v1 or hybrid: a hierarchy of its own, writable, and no cgroup2 mount beside it, which a Mesos agent refuses.
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -o remount,bind,rw /sys/fs/cgroup
  for hierarchy in /sys/fs/cgroup/*; do
    [ -L "$hierarchy" ] || mount -o remount,bind,rw "$hierarchy"
  done
  [ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified
  # The second word is what systemd 256 and newer ask for before they start on cgroup v1.
  exec /lib/systemd/systemd systemd.legacy_systemd_cgroup_controller=1 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
fi
mount -o remount,bind,rw /sys/fs/cgroup
exec /lib/systemd/systemd
