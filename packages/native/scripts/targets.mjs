// The machines the addon is built for, and what the compiler is told for each.
import { existsSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * What zig calls the target of each name. It links against the glibc asked for: 2.28 (Debian 10, RHEL 8) is the oldest
 * that Node's own binaries run on. Any g++ links against its machine's.
 */
const targets = {
  'linux-x64-glibc': 'x86_64-linux-gnu.2.28',
  'linux-arm64-glibc': 'aarch64-linux-gnu.2.28',
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-musl': 'aarch64-linux-musl',
};

export const targetNames = Object.keys(targets);

/** @returns {string} the name of this machine's: what is built here, and what is loaded. `LIBC` in the environment says which libc. */
export function hostTarget() {
  const libc = process.env.LIBC || (existsSync('/etc/alpine-release') ? 'musl' : 'glibc');
  return `${process.platform}-${process.arch}-${libc}`;
}

/**
 * @param {string} name of a target
 * @returns {{ directory: string, file: string }} where it is, below prebuilds/
 */
export function placeOf(name) {
  const [platform, arch, libc] = name.split('-');
  return { directory: `${platform}-${arch}`, file: `@vio+native.${libc}.node` };
}

/**
 * @param {string} name of a target
 * @param {string | undefined} cxx the environment's CXX, which may have arguments
 * @returns {{ command: string[], flags: string[] }} the compiler, and what it is told for this target
 */
export function compilerFor(name, cxx) {
  const command = (cxx?.trim() || 'g++').split(/\s+/);
  if (command.some((word) => /^zig\b/.test(basename(word)))) {
    // No warnings: they are of its libc++, which it builds by the way, and g++ has said those of ours.
    return { command, flags: ['-target', targets[name], '-w'] };
  }
  // Alpine has a libstdc++ in a package of its own, which a machine with nothing but Node need not have.
  return { command, flags: name.endsWith('musl') ? ['-static-libstdc++', '-static-libgcc'] : [] };
}
