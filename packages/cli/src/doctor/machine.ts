import { readFileSync } from 'node:fs';
import { SharedMemory, resourceLimit } from '@vio/native';
import { type Finding, fromError, note, ok, problem } from './check.ts';

/** Memory a port of one queue pair with rings of 256 shares, rounded up. */
const portBytes = 4 << 20;
/** Descriptors of such a port: memory, socket, two eventfds for each of its rings; and some to live on. */
const portDescriptors = 32;

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

/** What every port needs of the machine, whatever its backend. */
export function checkMachine(): Finding[] {
  return [checkMemory(), checkDescriptors(), ...checkSelinux()];
}

function checkMemory(): Finding {
  try {
    SharedMemory.create({ size: portBytes, name: 'vio-doctor' }).close();
    return ok('memory', `${portBytes >> 20} MiB of shared memory are to be had, without hugepages`);
  } catch (error) {
    return fromError('memory', error);
  }
}

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
