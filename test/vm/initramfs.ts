// What the guest starts with: busybox, modules, and an init that hands over to the host's file system.
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from './checkout.ts';
import type { Kernel } from './kernel.ts';

const run = promisify(execFile);

/** What every guest loads, in this order. */
const always = [
  ['netfs', '9pnet', '9pnet_virtio', '9p'],
  ['tap', 'vhost_iotlb', 'vhost', 'tun', 'vhost_net'],
].flat();

/** What a guest loads on request, behind the others. */
export const moduleGroups = {
  net: ['failover', 'net_failover', 'virtio_net'],
  uio: ['uio', 'uio_pci_generic'],
  vfio: ['vfio', 'vfio_iommu_type1', 'irqbypass', 'vfio_pci_core', 'vfio_pci'],
  bench: ['veth', 'pktgen'],
  vlan: ['llc', 'stp', 'garp', 'mrp', '8021q'],
  /** Behind `vlan`, which has what it needs. */
  bridge: ['bridge'],
  disk: ['crc16', 'mbcache', 'jbd2', 'crc32c_generic', 'ext4', 'virtio_blk'],
  crypto: ['af_alg', 'algif_skcipher', 'crypto_engine', 'virtio_crypto'],
  vdpa: ['irqbypass', 'vdpa', 'vhost_vdpa', 'vduse'],
  /** What makes a kernel's own device of one on the vdpa bus. */
  vduse: ['vdpa', 'virtio_vdpa', 'vduse'],
} as const;

export type ModuleGroup = keyof typeof moduleGroups;

/** All that any guest may load. */
export const guestModules = [...always, ...Object.values(moduleGroups).flat()];

/** @param checkout may lie under /tmp, which is the guest's own */
export const initScript = (checkout: string): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module.ko || echo "no module $module"; done
share="trans=virtio,version=9p2000.L,msize=1048576"
mount -t 9p -o $share,cache=loose,ro root /host || echo "no root share"
mount --bind /proc /host/proc; mount --bind /sys /host/sys; mount --bind /dev /host/dev
mkdir -p /dev/shm /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t devpts devpts /dev/pts
mkdir /checkout; mount --bind /host${checkout} /checkout
mount -t tmpfs tmpfs /host/tmp; mkdir -p /host${checkout}; mount --bind /checkout /host${checkout}
mount -t tmpfs tmpfs /host/run; mkdir /host/tmp/out /host/run/netns
mount -t 9p -o $share,access=any out /host/tmp/out || echo "no share for output"
ip link set lo up
chroot /host /bin/sh -c 'cd /tmp; export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
. /tmp/out/run.sh' > /host/tmp/out/stdout 2> /host/tmp/out/stderr
echo $? > /host/tmp/out/exit-code
sync
poweroff -f
`;

/** What is done to modules before a guest gets them, by their names. */
export type ModuleChanges = Readonly<Record<string, (module: Buffer) => Buffer>>;

/** Packs the initramfs of a guest that sees this machine. @returns its path, in a directory that the caller removes */
export function packInitramfs(
  kernel: Kernel,
  groups: readonly ModuleGroup[],
  changes: ModuleChanges = {},
): Promise<string> {
  const modules = [...always, ...groups.flatMap((group) => moduleGroups[group])];
  return packArchive({ kernel, modules, init: initScript(repository), changes });
}

export interface ArchiveContents {
  readonly kernel: Kernel;
  /** Names, in the order in which `init` loads them. */
  readonly modules: readonly string[];
  readonly init: string;
  /** Programs and libraries of this machine besides busybox, which keep their places. */
  readonly programs?: readonly string[];
  readonly changes?: ModuleChanges;
}

/** Packs an initramfs. @returns its path, in a directory that the caller removes */
export async function packArchive({
  kernel,
  modules,
  init,
  programs = [],
  changes = {},
}: ArchiveContents): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-initramfs-'));
  const root = join(directory, 'root');
  for (const name of ['bin', 'proc', 'sys', 'dev', 'tmp', 'host', 'modules'])
    mkdirSync(join(root, name), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const program of programs) cpSync(program, join(root, program), { dereference: true });
  for (const module of modules) {
    const bytes = readFileSync(join(kernel.modules, `${module}.ko`));
    writeFileSync(join(root, `modules/${module}.ko`), changes[module]?.(bytes) ?? bytes);
  }
  writeFileSync(join(root, 'modules/order'), modules.join('\n'));
  writeFileSync(join(root, 'init'), init, { mode: 0o755 });
  const archive = join(directory, 'initramfs.cpio');
  await run('sh', ['-c', `cd "$1" && find . | cpio --quiet -o -H newc > "$2"`, 'sh', root, archive]);
  rmSync(root, { recursive: true });
  return archive;
}
