// What --help promises, and what happens to those who do not read it.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Vio, vio } from './vio.ts';

const forwardOptions = [
  '--forward-mode',
  '--txpkts',
  '--burst',
  '--duration',
  '--stats-period',
  '--metrics',
  '--page-packets',
  '--telemetry',
  '--no-telemetry',
  '--telemetry-writable',
  '--json',
];

/** Has Node say on stderr which modules it loads. */
const loadHook = `export async function load(url, context, next) {
  process._rawDebug('loads', url);
  return next(url, context);
}`;
const withLoadHook = `import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(loadHook)}));`;

describe('help', () => {
  // What a port is made of takes as long to load as Node takes to start.
  it('loads no more of the packages than what needs nothing else', async () => {
    const hooked = `--import=data:text/javascript,${encodeURIComponent(withLoadHook)}`;
    const { exitCode, stderr } = await new Vio(['--help'], { NODE_OPTIONS: hooked }).ended;
    const loaded = [...stderr.matchAll(/^loads file:.*\/packages\/(.*)$/gm)].map(([, file = '']) => file);
    expect(exitCode).toBe(0);
    expect(loaded.filter((file) => !/^cli|dist.chunks/.test(file)).toSorted()).toEqual([
      'native/scripts/machine.mjs',
    ]);
  });

  it('names every command and what the exit codes mean', async () => {
    const { exitCode, stdout, stderr } = await vio('--help');
    const commands = [...stdout.matchAll(/^ {2}(\w+) \[/gm)].map(([, name]) => name);
    expect([exitCode, stderr, commands]).toEqual([
      0,
      '',
      ['run', 'backend', 'inspect', 'doctor', 'top', 'perf', 'show', 'devbind', 'example', 'help'],
    ]);
    expect(stdout).toContain('Exit codes');
  });

  it.each([
    [
      'run',
      [
        ...forwardOptions,
        '--vdev',
        '--pci',
        '--port-topology',
        '--rxq',
        '--txq',
        '--rxd',
        '--txd',
        '--nb-cores',
        '--lcores',
        '--no-huge',
        '--tx-first',
        '--txqflags',
        '--enable-rx-cksum',
        '--enable-lro',
        '--enable-hw-vlan-strip',
        '--max-pkt-len',
        '--interactive',
        '--auto-start',
        '--cmdline-file',
        '--timeout',
        '--wait',
        '--reconnect',
        '--xstats',
        '--verbose',
        '--pcap',
        '--snaplen',
        '--help',
      ],
    ],
    [
      'backend',
      [
        ...forwardOptions,
        '--client',
        '--queues',
        '--no-tso',
        '--linear-buffer',
        '--ext-buffer',
        '--iommu-support',
        '--vdpa',
        '--postcopy-support',
        '--legacy-ol-flags',
        '--features',
        '--disable',
        '--help',
      ],
    ],
    ['inspect', ['--features', '--rings', '--timeout', '--json', '--help']],
    ['doctor', ['--expect-backend', '--start', '--no-connect', '--timeout', '--json', '--help']],
    ['example', ['--help']],
    ['completion', ['--help']],
    ['top', ['--interval', '--sort', '--queues', '--once', '--json', '--help']],
    ['perf', ['--duration', '--json', '--help']],
    ['show', ['--port', '--svg', '--json', '--help']],
    ['man', ['--help']],
    ['devbind', ['--status', '--bind', '--unbind', '--force', '--sysfs', '--json', '--help']],
  ])('of %s states every option', async (command, options) => {
    const { exitCode, stdout, stderr } = await vio(command, '--help');
    const stated = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name);
    expect([exitCode, stderr, stated.toSorted()]).toEqual([0, '', options.toSorted()]);
  });

  it.each(['run', 'backend'])('of %s names every mode', async (command) => {
    const { stdout } = await vio(command, '--help');
    const modes = [...stdout.matchAll(/^ {2}([a-z]+) +[a-z]/gm)].map(([, name]) => name);
    expect(modes).toEqual(expect.arrayContaining(['io', 'macswap', 'rxonly', 'txonly', 'flowgen']));
  });

  it.each(['run', 'inspect', 'doctor'])('of %s names every key of the devargs', async (command) => {
    const { stderr } = await vio('run', 'path=/nowhere,no_such_key=1');
    const keys = /the keys are (.*)/.exec(stderr)?.[1]?.split(', ') ?? [];
    const { stdout } = await vio(command, '--help');
    const named = [...stdout.matchAll(/^ {2}(\w+)=/gm)].map(([, key]) => key);
    expect(named.toSorted()).toEqual(keys.toSorted());
  });

  it('is the same when asked for as a command', async () => {
    expect(await vio('help', 'run')).toEqual(await vio('run', '--help'));
  });

  it('gives the version of the package', async () => {
    const manifest = JSON.parse(
      readFileSync(new URL('../../packages/cli/package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    expect(await vio('--version')).toEqual({ exitCode: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});

describe('wrong usage', () => {
  it.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['run', 'path=/nowhere', '--nonsense'], "unknown option '--nonsense'"],
    [['run'], "missing required argument 'devargs'"],
    [['backend'], "missing required argument 'path'"],
    [['backend', 'a', 'b'], 'too many arguments'],
    [['run', 'path=/nowhere', '--burst', '0'], "'0' is invalid. Allowed: 1 to 512"],
    [['run', 'path=/nowhere', '--burst', '1.5'], "'1.5' is invalid. Allowed: 1 to 512, whole numbers"],
    [['run', 'path=/nowhere', '-i', '--pcap', 'x'], "cannot be used with option '--pcap"],
    [['run', 'path=/nowhere', '--pcap', 'x', '--nb-cores', '2'], 'cannot be used with several --nb-cores'],
    [['run', 'path=/nowhere', '--nb-cores', '0'], 'Allowed: 1 to 64'],
    [['run', '--lcores', 'x', 'path=/nowhere'], 'Allowed: numbers of CPUs'],
    [['run', 'path=/nowhere', '--txqflags', '1.5'], "'1.5' is invalid. Allowed: 0 to 65535, whole numbers"],
    [['run', 'path=/nowhere', '--port-topology', 'star'], 'Allowed choices are paired, chained, loop'],
    [['run', 'path=/nowhere', '--txpkts', '59'], "'59' is invalid. Allowed: 60 to 9728"],
    [['run', 'path=/nowhere', '--timeout', 'soon'], "'soon' is invalid. Allowed: 1 to 3600000"],
    [['run', 'path=/nowhere', '--forward-mode', 'fly'], 'Allowed choices are io, macswap, rxonly'],
    [['backend', 'sock', '--queues', '129'], "'129' is invalid. Allowed: 1 to 128"],
    [['backend', 'sock', '--duration', ''], "'' is invalid. Allowed: 0 to 1000000"],
    [['run', 'path=/nowhere', '--metrics', 'nonsense'], "'nonsense' is invalid. Allowed: PORT"],
    [['run', 'path=/nowhere', '--metrics', '65536'], "'65536' is invalid. Allowed: PORT"],
    [['backend', 'sock', '--features', 'CSUM,fly'], '--features: "fly" is no feature'],
    [
      ['backend', 'sock', '--disable', '0x10000000000000000'],
      '--disable: "0x10000000000000000" is no feature',
    ],
    [['inspect'], 'there is nothing to inspect'],
    [['inspect', '--features', 'many'], '"many" is no feature mask'],
    [['inspect', '--features', '0x10000000000000000'], 'is no feature mask'],
  ])('%j ends with 2 and says why', async (args, message) => {
    const { exitCode, stdout, stderr } = await vio(...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('without any argument shows the help, on stderr', async () => {
    const { exitCode, stdout, stderr } = await vio();
    expect([exitCode, stdout, stderr]).toEqual([2, '', (await vio('--help')).stdout]);
  });
});

describe('a failure', () => {
  it.each([
    [['run', 'path=/nowhere/vhost.sock'], 'VIO_SOCKET_MISSING'],
    [['run', 'queues=1'], 'VIO_DEVARGS_MISSING_PATH'],
    [['run', 'path=/nowhere,queues=999'], 'VIO_DEVARGS_VALUE'],
    [['run', 'net_e1000,path=/nowhere'], 'VIO_DEVARGS_DRIVER'],
    [['inspect', 'path=/etc/passwd'], 'VIO_SOCKET_NOT_A_SOCKET'],
    [['backend', '/nowhere/vhost.sock', '--duration', '1'], 'VIO_SOCKET_'],
  ])('of %j ends with 1: what happened, a remedy and the code', async (args, code) => {
    const { exitCode, stdout, stderr } = await vio(...args);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(new RegExp(`^vio: .+\n {2}remedy: .+\n {2}code: ${code}\\w*\n$`));
  });
});
