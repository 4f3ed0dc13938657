// Debian's 6.12 kernel, fetched by package and unpacked into a cache; never installed.
import { execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const metaPackage = 'linux-image-6.12-amd64';

/** What a guest boots: an uncompressed kernel, and the modules by name. */
export interface Kernel {
  readonly version: string;
  readonly vmlinux: string;
  /** Directory of `NAME.ko` files. */
  readonly modules: string;
}

export const cacheDirectory = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vio-vm');

/** @param modules names to unpack, with underscores */
export async function fetchKernel(modules: readonly string[]): Promise<Kernel> {
  const name = await kernelPackage();
  const version = name.replace('linux-image-', '');
  const directory = join(cacheDirectory, version);
  const kernel = { version, vmlinux: join(directory, 'vmlinux'), modules: join(directory, 'modules') };
  const there = modulesOf(kernel);
  if (there !== undefined && modules.every((module) => there.includes(module))) return kernel;
  // Another checkout may want others.
  const wanted = [...new Set([...modules, ...(there ?? [])])];
  mkdirSync(cacheDirectory, { recursive: true });
  const scratch = mkdtempSync(join(cacheDirectory, 'fetch-'));
  try {
    await run('apt-get', ['download', '-q', name], { cwd: scratch });
    await unpack(join(scratch, readdirSync(scratch)[0]), scratch, wanted);
    rmSync(directory, { recursive: true, force: true });
    renameSync(join(scratch, 'unpacked'), directory);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return kernel;
}

/** The real package behind the meta package. */
async function kernelPackage(): Promise<string> {
  const { stdout } = await run('apt-cache', ['depends', metaPackage]);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`apt knows no ${metaPackage}: run apt-get update on Debian 12`);
  return name;
}

/** Names of the modules that are unpacked; undefined: there is no kernel yet. */
function modulesOf(kernel: Kernel): string[] | undefined {
  if (!existsSync(kernel.vmlinux) || !existsSync(kernel.modules)) return undefined;
  return readdirSync(kernel.modules).map((file) => basename(file, '.ko'));
}

/** Takes the kernel and the modules out of the package's tar, without unpacking the other thousands of files. */
async function unpack(deb: string, scratch: string, modules: readonly string[]): Promise<void> {
  const tar = join(scratch, 'data.tar');
  await run('sh', ['-c', `dpkg-deb --fsys-tarfile "$1" > "$2"`, 'sh', deb, tar]);
  const { stdout } = await run('tar', ['tf', tar], { maxBuffer: 1 << 24 });
  const moduleOf = (path: string) =>
    basename(path)
      .replace(/\.ko(\.xz|\.zst)?$/, '')
      .replaceAll('-', '_');
  const wanted = stdout
    .split('\n')
    .filter(
      (path) => /\/vmlinuz-/.test(path) || (/\.ko(\.|$)/.test(path) && modules.includes(moduleOf(path))),
    );
  await run('tar', ['xf', tar, '-C', scratch, ...wanted]);
  mkdirSync(join(scratch, 'unpacked/modules'), { recursive: true });
  for (const path of wanted) {
    const bytes = readFileSync(join(scratch, path));
    if (/\/vmlinuz-/.test(path)) writeFileSync(join(scratch, 'unpacked/vmlinux'), await bareKernel(bytes));
    else writeFileSync(join(scratch, `unpacked/modules/${moduleOf(path)}.ko`), await decompress(bytes));
  }
}

/** The ELF file inside a bzImage (Documentation/arch/x86/boot.rst): it boots faster than one that unpacks itself. */
async function bareKernel(image: Buffer): Promise<Buffer> {
  const setupSectors = image[0x1f1] === 0 ? 4 : image[0x1f1];
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  const elf = await decompress(image.subarray(start, start + image.readUInt32LE(0x24c)));
  return elf.subarray(elf.indexOf('\x7fELF', 0, 'latin1'));
}

async function decompress(bytes: Buffer): Promise<Buffer> {
  if (bytes.readUInt32BE(0) === 0xfd377a58) return filter('xz', bytes);
  if (bytes.readUInt32LE(0) === 0xfd2fb528) return filter('zstd', bytes);
  return bytes;
}

async function filter(program: string, input: Buffer): Promise<Buffer> {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'ignore'] });
  // What follows the compressed data in a kernel image ends the program early: its output is complete then.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const parts: Buffer[] = [];
  for await (const part of child.stdout) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
