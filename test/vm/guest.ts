// Boots a kernel of its own, runs one program in it and brings back what it said.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundle } from './bundle.ts';
import { here } from './checkout.ts';
import { type ModuleChanges, type ModuleGroup, guestModules, packInitramfs } from './initramfs.ts';
import { fetchKernel } from './kernel.ts';
import { cpu, cpusOf } from './qemu.ts';

export interface GuestResult {
  /** Of the program; undefined when it did not end. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What the kernel said. */
  readonly console: string;
}

export interface GuestOptions {
  /** Milliseconds from power-on until the guest is killed. Default 240 000. */
  readonly timeout?: number;
  /** Is asked before that: what it knows joins what the kernel said. */
  readonly witness?: () => Promise<string>;
  readonly arguments?: readonly string[];
  /** Kernel modules to load besides those of vhost-net. */
  readonly modules?: readonly ModuleGroup[];
  /** What is done to modules before they are loaded. */
  readonly changes?: ModuleChanges;
  /** JavaScript is compiled, for those who measure. Default false: code that writes code is what QEMU is slowest at. */
  readonly compiled?: boolean;
  /** Kernel arguments besides the usual ones. */
  readonly kernel?: string;
  /**
   * CPUs of the guest. Default 1: with several, QEMU's translation trips now and then over code that the kernel
   * rewrites, and the guest panics.
   */
  readonly cpus?: number;
  /** QEMU devices and the like. */
  readonly qemu?: readonly string[];
  /** The guest's second serial port, /dev/ttyS1, becomes QEMU's own monitor. Default false. */
  readonly monitor?: boolean;
  /** The guest may start again by itself: `/tmp/out` keeps what was written there. Default false. */
  readonly reboots?: boolean;
  /** Shell commands that set up a network for QEMU to join: a namespace of its own that goes with the guest. */
  readonly network?: string;
}

/** Quirks that cost a guest without acceleration seconds, and none of which a test needs. */
const kernelArguments = [
  'console=ttyS0 panic=-1 quiet nokaslr mitigations=off audit=0 apparmor=0 nowatchdog no_timer_check',
  'i8042.noprobe=1 cryptomgr.notests=1',
  'rcupdate.rcu_expedited=1 initcall_blacklist=jent_mod_init,load_system_certificate_list,trace_eval_init,init_ima',
].join(' ');

/** Runs a program of `guest/`, bundled into one file, in a guest. @param program its name without `.ts` */
export async function runInGuest(program: string, options: GuestOptions = {}): Promise<GuestResult> {
  const kernel = await fetchKernel(guestModules);
  const initramfs = await packInitramfs(kernel, options.modules ?? [], options.changes);
  const out = mkdtempSync(join(tmpdir(), 'vio-guest-'));
  try {
    await bundle(join(here, 'guest', `${program}.ts`), join(out, 'program.mjs'));
    const quoted = (options.arguments ?? []).map((argument) => `'${argument}'`).join(' ');
    writeFileSync(
      join(out, 'run.sh'),
      `${options.compiled === true ? '' : 'NODE_OPTIONS=--jitless '}exec node --disable-warning=ExperimentalWarning /tmp/out/program.mjs ${quoted}\n`,
    );
    const console = await boot(kernel.vmlinux, initramfs, out, options);
    const read = (name: string): string => readOr(join(out, name), '');
    const exitCode = read('exit-code');
    return {
      exitCode: exitCode === '' ? null : Number(exitCode),
      stdout: read('stdout'),
      stderr: read('stderr'),
      console,
    };
  } finally {
    rmSync(dirname(initramfs), { recursive: true, force: true });
    rmSync(out, { recursive: true, force: true });
  }
}

/**
 * The same for a program that ends well and prints one line of JSON, which is the result.
 * @throws Error with what was said, when the program, the kernel or a module complains
 */
export async function reportOf<T>(program: string, options: GuestOptions = {}): Promise<T> {
  const { exitCode, stdout, stderr, console } = await runInGuest(program, options);
  if (exitCode !== 0 || /Error|panic|no module/.test(stderr + console)) {
    throw new Error(`${program} ended with ${exitCode}\n${stderr}\n${console}`);
  }
  return JSON.parse(stdout) as T;
}

function boot(vmlinux: string, initramfs: string, out: string, options: GuestOptions): Promise<string> {
  const monitor = join(out, 'monitor');
  const cpus = cpusOf(options.cpus ?? 1);
  const command = [
    'qemu-system-x86_64',
    ...[
      ['-accel', 'tcg,thread=multi', '-machine', 'q35', '-cpu', cpu, '-m', '512'],
      cpus.qemu,
      [
        '-nodefaults',
        '-no-user-config',
        '-display',
        'none',
        '-serial',
        'stdio',
        ...(options.reboots === true ? [] : ['-no-reboot']),
        '-net',
        'none',
      ],
      ['-kernel', vmlinux, '-initrd', initramfs],
      ['-append', `${kernelArguments} ${cpus.kernel} ${uarts(options)} ${options.kernel ?? ''}`],
      ['-virtfs', 'local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap'],
      ['-virtfs', `local,path=${out},mount_tag=out,security_model=none`],
      options.monitor === true ? monitorOnSerialPort(monitor) : [],
      options.qemu ?? [],
    ].flat(),
  ];
  const { network } = options;
  const [program, ...args] = network === undefined ? command : [...inNamespace(network), ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (said += text));
  }
  const giveUp = async (): Promise<void> => {
    said += `\n${(await options.witness?.().catch(String)) ?? ''}`;
    child.kill('SIGKILL');
  };
  const watchdog = setTimeout(() => void giveUp(), options.timeout ?? 240_000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(watchdog);
      resolve(code === 0 ? said : `${said}\nQEMU ended: ${signal ?? `exit code ${code}`}`);
    });
  });
}

/** QEMU connects a serial port of the guest to a socket of its own. */
function monitorOnSerialPort(path: string): string[] {
  return [
    ['-chardev', `socket,id=monitor,path=${path},server=on,wait=off`, '-mon', 'chardev=monitor'],
    ['-chardev', `socket,id=line,path=${path}`, '-serial', 'chardev:line'],
  ].flat();
}

const uarts = ({ monitor }: GuestOptions): string => `8250.nr_uarts=${monitor === true ? 2 : 1}`;

/** The words in front of a command that is to run in a network namespace of its own, once `setup` has been done. */
function inNamespace(setup: string): string[] {
  return ['unshare', '--net', 'sh', '-ec', `${setup}\nexec "$@"`, 'sh'];
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
