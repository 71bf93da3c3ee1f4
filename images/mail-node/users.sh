#!/bin/sh
# users.sh ROOT: fixed user and group ids, written before the packages create theirs.
#
# Without this the ids depend on the order of installation, and the files on the volumes would change
# hands with the next image. All service ids are below 1000: the rspamd package refuses others.
# postfix has the primary group of vmail, because it reads the account file by that group.
set -eu
root=$1

cat >> "$root/etc/group" <<END
vmail:x:1000:
postfix:x:901:
_rspamd:x:902:
postdrop:x:903:
dovecot:x:904:
dovenull:x:906:
END
cat >> "$root/etc/passwd" <<END
vmail:x:1000:1000:mail store:/srv/vmail:/usr/sbin/nologin
postfix:x:901:1000:Postfix:/var/spool/postfix:/usr/sbin/nologin
_rspamd:x:902:902:rspamd:/var/lib/rspamd:/usr/sbin/nologin
dovecot:x:904:904:unused:/nonexistent:/usr/sbin/nologin
dovenull:x:906:906:unused:/nonexistent:/usr/sbin/nologin
END
# The date of the last password change is fixed, as prune.sh fixes it for all others.
for user in vmail postfix _rspamd dovecot dovenull; do
  echo "$user:!:20454::::::" >> "$root/etc/shadow"
done

# No package may start its service while the image is built; prune.sh removes this again.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
