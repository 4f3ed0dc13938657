#!/usr/bin/env bash
# Records real.pcap: what real programs say to each other over a veth pair between two network namespaces.
# ARP, IPv6 neighbour discovery, ICMP and ICMPv6 in several sizes, HTTP over TCP (IPv4 and IPv6), DNS over UDP, and
# frames of up to 9000 bytes. Needs root, iproute2, tcpdump, ping, curl and python3.
#
#   test/captures/record.sh [OUT.pcap]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-$here/real.pcap}")
work=$(mktemp -d)
left=vio-left-$$
right=vio-right-$$
jobs_started=()

cleanup() {
  for job in "${jobs_started[@]}"; do kill "$job" 2>/dev/null || true; done
  wait
  ip netns del "$left" 2>/dev/null || true
  ip netns del "$right" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

ip netns add "$left"
ip netns add "$right"
ip -n "$left" link add eth0 address 02:00:00:00:00:01 mtu 8986 type veth \
  peer name eth0 address 02:00:00:00:00:02 mtu 8986 netns "$right"
for side in "$left" "$right"; do
  [ "$side" = "$left" ] && host=1 || host=2
  ip -n "$side" addr add "10.0.0.$host/24" dev eth0
  ip -n "$side" addr add "fd00::$host/64" dev eth0 nodad
  ip -n "$side" link set lo up
  # Segmentation offload would put frames on the link that no wire carries.
  ip netns exec "$side" ethtool -K eth0 tso off gso off gro off tx off >/dev/null
  ip -n "$side" link set eth0 up gso_max_segs 1
done

ip netns exec "$left" tcpdump -q -U -s 0 -i eth0 -w "$work/real.pcap" 2>"$work/tcpdump.log" &
jobs_started+=($!)
until grep -q listening "$work/tcpdump.log"; do sleep 0.1; done

on_left() { ip netns exec "$left" "$@"; }

# ICMP: the smallest, odd sizes, a full 1500-byte packet and a full jumbo packet.
for size in 0 1 18 56 333 1472 8958; do on_left ping -q -n -c 2 -i 0.05 -s "$size" 10.0.0.2 >/dev/null; done
for size in 0 57 1452 8938; do on_left ping -q -n -6 -c 2 -i 0.05 -s "$size" fd00::2 >/dev/null; done

# HTTP: a page, a file of a few segments and a missing one, over IPv4 and IPv6.
mkdir "$work/www"
echo '<h1>Hello</h1>' >"$work/www/index.html"
head -c 40000 /dev/urandom >"$work/www/random"
ip netns exec "$right" python3 -m http.server --bind :: --directory "$work/www" 8080 >/dev/null 2>&1 &
jobs_started+=($!)
until on_left curl -gsf -o /dev/null 'http://10.0.0.2:8080/'; do sleep 0.1; done
for url in 'http://10.0.0.2:8080/random' 'http://10.0.0.2:8080/nothing' 'http://[fd00::2]:8080/random'; do
  on_left curl -gs -o /dev/null "$url"
done

# DNS: a tiny server answers the questions of a real resolver (getaddrinfo).
ip netns exec "$right" python3 "$here/dns-server.py" &
jobs_started+=($!)
mkdir -p "/etc/netns/$left"
echo 'nameserver 10.0.0.2' >"/etc/netns/$left/resolv.conf"
on_left python3 -c '
import socket
for name in ("vio.test", "a.rather.long.name.under.vio.test", "none.test"):
    try: socket.getaddrinfo(name, 80)
    except socket.gaierror: pass'
rm -r "/etc/netns/$left"
rmdir /etc/netns 2>/dev/null || true

sleep 0.5
kill "${jobs_started[0]}"
wait "${jobs_started[0]}" || true
mv "$work/real.pcap" "$out"
chmod 644 "$out"
tcpdump -r "$out" -n 2>/dev/null | wc -l | sed "s|\$| frames in $out|"
