/* Preloaded into Postfix (LD_PRELOAD=/usr/lib/postfix/asroot.so), so that it runs as an ordinary user.

   Postfix's master insists on uid 0, but only in order to give it up in each child. In this image
   everything runs as uid 901 from the start. These calls remember the numbers that master and its
   children ask for and hand them back; the kernel sees uid 901 without any capability all the time.
   No call that touches a file or the network is replaced.

   The counters are 0 again after each exec, as they would be for a process started by root.

   cc -Os -shared -fPIC -nostdlib -s -o asroot.so asroot.c */
#include <sys/types.h>

static uid_t real, effective;

uid_t getuid(void) { return real; }
uid_t geteuid(void) { return effective; }

int setuid(uid_t uid) {
  if (effective == 0)
    real = uid;
  effective = uid;
  return 0;
}

int seteuid(uid_t uid) {
  effective = uid;
  return 0;
}

int setgid(gid_t gid) {
  (void)gid;
  return 0;
}

int setegid(gid_t gid) {
  (void)gid;
  return 0;
}

int setgroups(size_t count, const gid_t *groups) {
  (void)count;
  (void)groups;
  return 0;
}

int initgroups(const char *user, gid_t gid) {
  (void)user;
  (void)gid;
  return 0;
}
