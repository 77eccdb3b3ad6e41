#!/bin/sh
# Runs on the machine that builds the node image; $1 is the root of the new file system.
set -eu
root=$1

# The account that an operator gets on a real machine: key only, sudo without a password.
chroot "$root" useradd --create-home --shell /bin/bash --gid operator operator
install -d -m 0700 "$root/home/operator/.ssh"
chroot "$root" chown -R operator:operator /home/operator/.ssh
echo 'operator ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/operator"
chmod 0440 "$root/etc/sudoers.d/operator"
printf 'PasswordAuthentication no\nUseDNS no\n' >"$root/etc/ssh/sshd_config.d/lab.conf"

# Every node gets host keys and a machine id of its own.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"

# No package source: a lab host knows none but the mirror that the repos role adds.
: >"$root/etc/apt/sources.list"
rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log

# Nobody needs a lab host's files after a power cut, and waiting for the disk after each of them makes installing slow.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/lab"

# A container has no console and no device manager; the package timers would take the package lock at a random moment.
chroot "$root" systemctl --quiet set-default multi-user.target
chroot "$root" systemctl --quiet mask console-getty.service getty@.service getty-static.service systemd-udevd.service \
  systemd-firstboot.service proc-sys-fs-binfmt_misc.automount sys-kernel-config.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount
chroot "$root" systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer

# A session needs no service manager of its user. On cgroup v1 in a container nobody tells systemd that the last process of one is
# gone: stopping it takes the full time-out, and whoever logs in meanwhile waits for that.
chroot "$root" systemctl --quiet mask user@.service
