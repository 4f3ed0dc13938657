// A guest that has nothing of this machine, so that it can leave it: all it needs is in its initramfs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { here } from '../checkout.ts';
import { type Kernel, cacheDirectory } from '../kernel.ts';
import { moduleGroups, packArchive } from '../initramfs.ts';
import { guestAddress, hostAddress, mtu, pairs, port } from './plan.ts';

/** Blocks of 1 MiB whose checksums the guest keeps. */
const blocks = 12;

/**
 * Bytes come from the host and go back, the host is pinged, blocks of memory are written, summed up, and compared with their
 * sums later, and frames are held; all of that until the first ends.
 * @param heldFrames the program
 */
const initOf = (heldFrames: string): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
for module in $(cat /modules/order); do insmod /modules/$module.ko || echo "no module $module"; done
ip link set lo up; ip address add ${guestAddress}/24 dev eth0; ip link set eth0 mtu ${mtu} up
ethtool -L eth0 combined ${pairs}
ethtool -l eth0 | awk '/Combined/ { n = $2 } END { print "pairs " n }'
cd /tmp
write() { dd if=/dev/urandom of=m$1 bs=64k count=16 2> /dev/null; md5sum < m$1 > s$1; }
compare() { test "$(md5sum < m$1)" = "$(cat s$1)" || echo "memory: block $1 is not what it was"; }
keep() {
  rounds=0
  while test ! -e stop; do
    for i in $(seq ${blocks}); do compare $i; test $((i % 4)) = $((rounds % 4)) && write $i; sleep 0.05; done
    rounds=$((rounds + 1))
  done
  for i in $(seq ${blocks}); do compare $i; done
  echo "memory: compared $rounds times"
}
for i in $(seq ${blocks}); do write $i; done
keep < /dev/null > kept 2>&1 &
ping ${hostAddress} < /dev/null > pings 2>&1 & pinger=$!
${heldFrames} eth0 < /dev/null &
echo ready
nc ${hostAddress} ${port.to} < /dev/null | nc ${hostAddress} ${port.back} > /dev/null
touch stop
kill -INT $pinger
while ! grep -q compared kept; do sleep 0.2; done
cat kept; grep received pings
awk '/^Tcp: [0-9]/ { tcp = $14 + $16 } /^Icmp: [0-9]/ { icmp = $3 + $4 } /^Ip: [0-9]/ { ip = $5 }
  END { print "damaged: " ip " " icmp " " tcp }' /proc/net/snmp
echo finished
poweroff -f
`;

/** Packs it. @returns the archive, in a directory that the caller removes */
export async function packLoneGuest(kernel: Kernel): Promise<string> {
  const ethtool = execFileSync('sh', ['-c', 'command -v ethtool'], { encoding: 'utf8' }).trim();
  const libraries = execFileSync('ldd', [ethtool], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  // The guest has a /tmp of its own.
  mkdirSync(cacheDirectory, { recursive: true });
  const directory = mkdtempSync(join(cacheDirectory, 'held-frames-'));
  const heldFrames = join(directory, 'held-frames');
  try {
    execFileSync('cc', ['-O2', '-Wall', '-static', '-o', heldFrames, join(here, 'guest/held-frames.c')]);
    return await packArchive({
      kernel,
      modules: moduleGroups.net,
      init: initOf(heldFrames),
      programs: [ethtool, ...libraries, heldFrames],
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
