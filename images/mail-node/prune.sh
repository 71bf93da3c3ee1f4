#!/bin/sh
# prune.sh ROOT: removes what the image does not need and what would differ from build to build,
# and adds the empty folders that the pod mounts its volumes on. ASROOT names the compiled asroot.c.
#
# /etc/apt and /var/lib/apt stay here, because mmdebstrap cleans them afterwards and fails without
# them. The packer leaves them out, with the contents of /dev, /var/cache and /var/log.
set -eu
cd "$1"

# The package ssl-cert, which comes with postfix, makes a private key while it is installed:
# it would be the same for everybody who gets the image. Dangling links to it are looked for from
# inside, because the links to the other certificates are absolute.
rm -rf etc/ssl/private etc/ssl/certs/ssl-cert-snakeoil.pem
chroot . find /etc/ssl/certs -xtype l -delete
# aliases.db holds a time stamp.
rm -rf etc/aliases etc/aliases.db

# Configuration comes from ConfigMaps; nothing here boots, logs in or rotates logs.
rm -rf usr/sbin/policy-rc.d etc/dovecot/conf.d etc/dovecot/dovecot.conf etc/dovecot/private \
  etc/systemd usr/lib/systemd usr/bin/systemctl var/lib/systemd etc/init.d etc/cron* etc/logrotate.d \
  etc/network etc/resolvconf etc/ufw etc/insserv* etc/pam.d etc/security var/lib/pam

# Perl: only used by the tools of rspamd and by Debian's start scripts for Postfix.
rm -rf usr/share/perl usr/share/perl5 usr/bin/perl* usr/bin/cpan*
for lib in usr/lib/*-linux-gnu; do
  rm -rf "$lib"/perl "$lib"/perl5 "$lib"/perl-base "$lib"/libperl.so* "$lib"/security "$lib"/gconv
done

rm -rf usr/share/rspamd/www usr/share/javascript usr/share/nodejs usr/share/bash-completion \
  usr/share/zsh usr/share/debconf usr/share/pixmaps usr/share/applications usr/share/gcc usr/share/gdb \
  usr/share/tabset usr/share/menu usr/share/mime
# var/lib/dpkg/status stays: scanners for known holes read it.
rm -rf var/cache/* var/log/* var/backups/* var/lib/dpkg/info var/lib/dpkg/*-old var/spool/postfix/*
find usr -xdev -type f -perm /6000 -exec chmod a-s {} +

rm -rf run/* etc/passwd- etc/group- etc/shadow- etc/gshadow-
# The root is mounted read-only: what volumes are mounted on is here already.
mkdir -p srv/vmail srv/db srv/state srv/auth srv/bin etc/dovecot/ssl etc/mail/postfix etc/mail/tls etc/dkim \
  etc/rspamd/local.d etc/rspamd/override.d run/dovecot var/lib/postfix var/lib/rspamd tmp
chmod 1777 tmp
# While an image is built from a Dockerfile these two are mounts that may be read-only.
(: > etc/resolv.conf) 2> /dev/null || true
(: > etc/hostname) 2> /dev/null || true
# Days since 1970 of the last password change: otherwise the date of the build.
sed -i -E 's/^([^:]*:[^:]*):[0-9]+:/\1:20454:/' etc/shadow

if [ -n "${ASROOT:-}" ]; then
  install -m 755 "$ASROOT" usr/lib/postfix/asroot.so
fi
