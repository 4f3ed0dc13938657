#!/bin/sh
# Runs a command in a container made by hand: namespaces of its own for network, mounts, processes, IPC and host name;
# a root directory with the system's programs and a project, read-only; and one directory that is shared.
#
#   container.sh SHARED[:PLACE] COMMAND [ARGUMENT ...]
#
# SHARED appears as PLACE, by default /run/vio. The project is VIO_PROJECT, by default this folder. There is no network but a loopback
# interface that is down. Without root it takes user namespaces, which some systems switch off
# (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces).
set -eu

if [ "${VIO_INSIDE:-}" = "" ]; then
  here=$(cd "$(dirname "$0")" && pwd)
  project=${VIO_PROJECT:-$here}
  node=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  user=''
  [ "$(id -u)" = 0 ] || user='--user --map-root-user'
  # shellcheck disable=SC2086 # $user is two words or none
  VIO_INSIDE="$project:$node" exec unshare $user --net --mount --pid --ipc --uts --fork --kill-child \
    sh "$here/container.sh" "$@"
fi

shared=${1%%:*}
case "$1" in *:*) place=${1#*:} ;; *) place=/run/vio ;; esac
shift
root=$(mktemp -d)
mount -t tmpfs none "$root"

# show DIRECTORY: it is there in the container, and cannot be written to
show() {
  mkdir -p "$root$1"
  mount --rbind "$1" "$root$1"
  mount -o remount,bind,ro "$root$1" 2>/dev/null || true
}
for directory in /usr "${VIO_INSIDE%%:*}" "${VIO_INSIDE##*:}"; do
  case "$directory" in /usr | /usr/?*) [ -d "$root$directory" ] || show /usr ;; *) show "$directory" ;; esac
done
# /bin and /lib are links into /usr on systems of today, and directories on others.
for directory in /bin /lib /lib64; do
  if [ -L "$directory" ]; then
    cp -P "$directory" "$root$directory"
  elif [ -d "$directory" ]; then
    show "$directory"
  fi
done
mkdir -p "$root/proc" "$root/tmp" "$root$place" "$root/dev" "$root/etc"
mount -t proc none "$root/proc"
mount --bind "$shared" "$root$place"
for device in null urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
unset VIO_INSIDE VIO_PROJECT
exec chroot "$root" "$@"
