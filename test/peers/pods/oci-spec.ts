// What an OCI runtime is told of a container.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { podUser, readOnly } from './podman.ts';

/** A container as the pod security standard `restricted` wants it. */
export interface SpecOptions {
  /** The runtime, which knows what is usual. */
  readonly runtime: string;
  readonly command: readonly string[];
  /** Its root directory. */
  readonly rootfs: string;
  /** The directory that it has as /run/vio. */
  readonly shared: string;
  /** Path of a network namespace; default: it gets one. */
  readonly netns?: string;
}

/** Writes `config.json` into a directory: another user than root, no capability, a root directory that is read-only. */
export async function writeSpec(
  place: string,
  { runtime, command, rootfs, shared, netns }: SpecOptions,
): Promise<string> {
  const file = join(place, 'config.json');
  rmSync(file, { force: true });
  await promisify(execFile)(runtime, ['spec'], { cwd: place });
  const spec = JSON.parse(readFileSync(file, 'utf8')) as {
    process: Record<string, unknown>;
    root: object;
    mounts: object[];
    linux: { namespaces: { type: string; path?: string }[] };
  };
  Object.assign(spec.process, {
    terminal: false,
    args: command,
    user: { uid: podUser, gid: podUser },
    capabilities: {},
    noNewPrivileges: true,
    rlimits: [],
  });
  spec.root = { path: rootfs, readonly: true };
  const bind = (source: string, destination: string, mode: string): object => ({
    source,
    destination,
    type: 'bind',
    options: ['rbind', mode],
  });
  spec.mounts.push(...readOnly().map((source) => bind(source, source, 'ro')), bind(shared, '/run/vio', 'rw'));
  for (const namespace of spec.linux.namespaces)
    if (namespace.type === 'network' && netns !== undefined) namespace.path = netns;
  writeFileSync(file, JSON.stringify(spec));
  return file;
}
