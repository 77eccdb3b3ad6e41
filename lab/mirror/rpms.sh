#!/bin/sh
# Runs in a container of the node image: makes signed RPMs in /build/rpms of the trees and spec files in /build. $1 is the fingerprint of
# the key in /key.
set -eu
export GNUPGHOME=/key

# Debian's programs are taken as they are (nothing stripped, no debug packages); a quick compression is enough for a bridge.
cat >"$HOME/.rpmmacros" <<'END'
%_topdir /build/rpmbuild
%_rpmdir /build/rpms
%_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm
%_binary_payload w1.zstdio
%__os_install_post %{nil}
%debug_package %{nil}
%_build_id_links none
%_buildhost lab
%__gpg /usr/bin/gpg
END
echo "%_gpg_name $1" >>"$HOME/.rpmmacros"

find /build/specs -name '*.spec' -print0 | xargs -0 -n 1 -P "$(nproc)" rpmbuild -bb --quiet
find /build/rpms -name '*.rpm' -print0 | xargs -0 rpmsign --addsign >/build/rpmsign.log 2>&1 || { cat /build/rpmsign.log >&2; exit 1; }
gpgconf --kill gpg-agent
