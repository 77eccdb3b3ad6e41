#!/bin/sh
# Runs after customize.sh for a host of RedHat's shape; $1 is the root of the new file system.
set -eu
root=$1

# By these files programs recognise the system.
rm -f "$root/etc/debian_version" "$root/etc/issue" "$root/etc/issue.net"
cat >"$root/usr/lib/os-release" <<'END'
NAME="Rocky Linux"
VERSION="9.6 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.6"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.6 (Blue Onyx)"
VARIANT="provisioner lab, programs of Debian"
END
echo 'Rocky Linux release 9.6 (Blue Onyx)' >"$root/etc/rocky-release"
ln -s rocky-release "$root/etc/redhat-release"
ln -s rocky-release "$root/etc/system-release"

# Debian keeps the database of RPMs in the home folder of whoever asks.
mkdir -p "$root/etc/rpm" "$root/etc/yum.repos.d" "$root/etc/dnf/vars" "$root/etc/pki/rpm-gpg"
echo '%_dbpath /var/lib/rpm' >"$root/etc/rpm/macros.lab"
mkdir -p "$root/var/lib/rpm"
chroot "$root" rpm --initdb

# One RPM says what the image is, and that it has the shell which every scriptlet asks for.
cat >"$root/root/rocky-release.spec" <<'END'
Name: rocky-release
Version: 9.6
Release: 1
Summary: Release files of a lab host of RedHat's shape
License: Apache-2.0
BuildArch: noarch
Provides: /bin/sh, system-release = 9.6, system-release(releasever) = 9
%description
What programs recognise Rocky Linux 9 by.
%files
/etc/redhat-release
/etc/rocky-release
/etc/system-release
/usr/lib/os-release
%install
mkdir -p %{buildroot}/etc %{buildroot}/usr/lib
cp -a /etc/redhat-release /etc/rocky-release /etc/system-release %{buildroot}/etc
cp -a /usr/lib/os-release %{buildroot}/usr/lib
END
chroot "$root" rpmbuild -bb --quiet --define '_topdir /root/rpmbuild' --define '__os_install_post %{nil}' /root/rocky-release.spec
chroot "$root" sh -c 'rpm --install --replacefiles /root/rpmbuild/RPMS/noarch/*.rpm'
rm -rf "$root/root/rpmbuild" "$root/root/rocky-release.spec"

echo 9 >"$root/etc/dnf/vars/releasever"
printf '[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\nskip_if_unavailable=False\n' \
  >"$root/etc/dnf/dnf.conf"
ln -s dnf "$root/usr/bin/yum"

# Debian's package manager and its database go where nobody looks; the lab reads there which packages the image is made of.
hidden=$root/usr/lib/lab-origin
mkdir -p "$hidden/bin"
for program in "$root"/usr/bin/apt "$root"/usr/bin/apt-* "$root"/usr/bin/dpkg "$root"/usr/bin/dpkg-* "$root"/usr/bin/update-alternatives; do
  mv "$program" "$hidden/bin/"
done
mv "$root/var/lib/dpkg" "$hidden/dpkg"
rm -rf "$root/var/lib/apt" "$root/var/cache/apt" "$root"/usr/lib/systemd/system/apt-daily*
