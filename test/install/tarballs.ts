// Packages as they are published, and an empty directory to install them into.
import { execFile } from 'node:child_process';
import {
  accessSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inject } from 'vitest';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const run = promisify(execFile);

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Our packages that are published, by the names of their folders. */
export function publicPackages(): string[] {
  return readdirSync(join(root, 'packages')).filter(
    (name) => manifestOf(join(root, 'packages', name)).private !== true,
  );
}

const directoryOf = (name: string): string => join(root, 'packages', name.replace('@vio/', ''));

function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

/** The tarball of one of our packages, which `packed.ts` has made. */
export function ours(name: string): string {
  const tarball = inject('tarballs')[name];
  if (tarball === undefined) throw new Error(`${name} is not packed`);
  return tarball;
}

/** Packs an installed package of somebody else's, so that installing needs no registry. */
function packOther(name: string, user: string, destination: string): Promise<string> {
  return packInstalled(join(user, 'node_modules', name), destination);
}

const packed = new Map<string, Promise<string>>();

/**
 * Packs what is installed in a folder, once.
 * @param dependency instead, the package of that name which stands beside it
 * @returns the tarball
 */
export async function packInstalled(
  directory: string,
  destination: string,
  dependency?: string,
): Promise<string> {
  const itself = realpathSync(directory);
  const beside = itself.slice(0, itself.lastIndexOf('/node_modules/') + '/node_modules/'.length);
  const from = dependency === undefined ? itself : realpathSync(join(beside, dependency));
  const tarball = join(destination, `${manifestOf(from).name.replaceAll(/\W+/g, '-')}.tgz`);
  const packing = packed.get(tarball) ?? pack(from, tarball);
  packed.set(tarball, packing);
  return packing;
}

async function pack(directory: string, tarball: string): Promise<string> {
  // pnpm stores equal files once: as links, which npm leaves out of what it unpacks.
  const form = ['--hard-dereference', '--transform', String.raw`s,^\.,package,`];
  await run('tar', ['-czf', tarball, ...form, '-C', directory, '.']);
  return tarball;
}

/** A package of ours with everything it needs. @returns the tarballs by package name */
export async function packWithDependencies(name: string, destination: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const visit = async (user: string): Promise<void> => {
    found.set(user, ours(user));
    for (const dependency of Object.keys(manifestOf(directoryOf(user)).dependencies ?? {})) {
      if (found.has(dependency)) continue;
      if (dependency.startsWith('@vio/')) await visit(dependency);
      else found.set(dependency, await packOther(dependency, directoryOf(user), destination));
    }
  };
  await visit(name);
  return found;
}

/** An empty project on a machine that has Node and npm, and no compiler. */
export class BareProject {
  readonly directory: string;
  readonly #env: NodeJS.ProcessEnv;

  /** @param directory of a project that is there; without, an empty one is made */
  constructor(directory?: string) {
    this.directory = directory ?? mkdtempSync(join(tmpdir(), 'vio install-'));
    const bin = join(this.directory, 'bin');
    mkdirSync(bin, { recursive: true });
    for (const program of ['npm', 'sh']) link(which(program), join(bin, program));
    link(process.execPath, join(bin, 'node'));
    this.#env = { PATH: bin, HOME: this.directory, npm_config_update_notifier: 'false' };
    if (directory === undefined)
      this.write('package.json', JSON.stringify({ private: true, type: 'module' }));
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.directory, name), content);
  }

  async install(tarballs: Iterable<string>): Promise<void> {
    await this.run('npm', 'install', '--offline', '--no-audit', '--no-fund', ...tarballs);
  }

  async run(program: string, ...args: string[]): Promise<string> {
    const { stdout } = await run(join(this.directory, 'bin', program), args, {
      cwd: this.directory,
      env: this.#env,
      timeout: 60_000,
    });
    return stdout;
  }
}

function link(target: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

function which(program: string): string {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((path) => {
      try {
        accessSync(path);
        return true;
      } catch {
        return false;
      }
    });
  if (found === undefined) throw new Error(`there is no ${program} in PATH`);
  return found;
}
