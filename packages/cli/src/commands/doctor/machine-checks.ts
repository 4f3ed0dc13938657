import { readFileSync } from 'node:fs';
import { SharedMemory } from '@vio/native';
import { freeHugepages, hugepageBytes, resourceLimit } from '@vio/native/internal';
import { type Finding, fromError, note, ok, problem } from './finding.ts';

/** Memory a port of one queue pair with rings of 256 shares, rounded up. */
const portBytes = 4 << 20;
/** Descriptors of such a port: memory, socket, two eventfds for each of its rings; and some to live on. */
const portDescriptors = 32;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** What every port needs of the machine, whatever its backend. */
export function checkMachine(): Finding[] {
  return [checkMemory(), checkHugepages(), checkDescriptors(), checkLockedMemory(), ...checkSelinux()];
}

function checkMemory(): Finding {
  try {
    SharedMemory.create({ size: portBytes, name: 'vio-doctor' }).close();
    return ok('memory', `${portBytes >> 20} MiB of shared memory are to be had, without hugepages`);
  } catch (error) {
    return fromError('memory', error);
  }
}

/** Nothing needs them; who wants them, or reserved them for others, should know. */
function checkHugepages(): Finding {
  const [small, large] = [freeHugepages('2M'), freeHugepages('1G')];
  const needed = portBytes / hugepageBytes['2M'];
  const taken =
    small >= needed
      ? `a port takes those of 2M by itself: ${needed}, with one queue pair and rings of 256`
      : 'ports do without them';
  return ok('hugepages', `free: ${small} of 2M, ${large} of 1G; ${taken}`);
}

/** Only devices that reach memory by themselves (vhost-vdpa, VFIO) have it locked. */
function checkLockedMemory(): Finding {
  const { soft } = resourceLimit('memlock');
  if (soft >= portBytes) return ok('locked memory', `up to ${inMebibytes(soft)} (ulimit -l)`);
  return note(
    'locked memory',
    `only ${inMebibytes(soft)} may be locked (ulimit -l): not enough for a port on vhost-vdpa or VFIO`,
    'raise the limit: ulimit -l unlimited, or LimitMEMLOCK=infinity of the service',
  );
}

const inMebibytes = (bytes: number): string =>
  bytes === Infinity ? 'as much as there is' : `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 0)} MiB`;

function checkDescriptors(): Finding {
  const { soft } = resourceLimit('nofile');
  if (soft >= portDescriptors) return ok('limits', `up to ${soft} open files (ulimit -n)`);
  return problem('limits', `only ${soft} open files are allowed`, 'raise the limit: ulimit -n 1024');
}

function checkSelinux(): Finding[] {
  if (read('/sys/fs/selinux/enforce') !== '1') return [];
  return [
    note(
      'selinux',
      'SELinux is enforcing: it may forbid what file permissions allow',
      'look for denials (ausearch -m avc), or label the socket for the container (:z on its volume)',
    ),
  ];
}
