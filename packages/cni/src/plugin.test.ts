// The plugin against a switch that runs, as a container runtime calls it.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VioSwitch, parseConfig, serveControl } from '@vio/switch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CniError, runPlugin } from './index.ts';

let directory: string;
let fabric: VioSwitch;
let control: AsyncDisposable;
const at = (file: string): string => join(directory, file);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vio-cni-'));
  await startSwitch();
});
afterEach(async () => {
  await stopSwitch();
  rmSync(directory, { recursive: true, force: true });
});

async function startSwitch(): Promise<void> {
  fabric = await VioSwitch.start(parseConfig({ bridges: [{ name: 'br0' }], state: at('state.json') }));
  control = serveControl(at('control.sock'), { fabric, reload: undefined, health: () => ({}) });
}

async function stopSwitch(): Promise<void> {
  await control[Symbol.asyncDispose]();
  await fabric.close();
}

type Fields = Readonly<Record<string, unknown>>;

const conf = (more: Fields = {}): Fields => ({
  cniVersion: '1.1.0',
  name: 'fast',
  type: 'vio-cni',
  bridge: 'br0',
  control: at('control.sock'),
  socketDir: at('pods'),
  ...more,
});

const environment = (command: string, container = 'c1', more: Fields = {}): Record<string, string> => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: container,
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'net1',
  CNI_PATH: at('bin'),
  ...more,
});

const call = (
  command: string,
  fields: Fields = conf(),
  container?: string,
  env: Fields = {},
): Promise<object | undefined> => runPlugin(environment(command, container, env), JSON.stringify(fields));

/** @returns code, message and details of the error, as the runtime gets them */
async function failure(attempt: Promise<unknown>): Promise<CniError> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CniError) return error;
  throw error ?? new Error('no failure');
}

const ports = (): string[] => fabric.ports().map(({ name }) => name);

describe('VERSION', () => {
  it('needs neither a conf nor a container', async () => {
    expect(await runPlugin({ CNI_COMMAND: 'VERSION' }, '')).toEqual({
      cniVersion: '1.1.0',
      supportedVersions: ['0.4.0', '1.0.0', '1.1.0'],
    });
  });
});

describe('ADD', () => {
  it('makes a socket, and says where it is', async () => {
    const result = await call(
      'ADD',
      conf({ mtu: 1400, mac: '02:00:00:00:00:0A', socketMode: '620', vlan: 7 }),
    );
    const socketPath = at('pods/c1-net1.sock');
    expect(result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'net1', mac: '02:00:00:00:00:0a', mtu: 1400, sandbox: '/run/netns/x', socketPath },
      ],
    });
    expect(statSync(socketPath).mode & 0o777).toBe(0o620);
    expect(fabric.port('cni:fast:c1:net1').config).toMatchObject({
      vlan: { access: 7 },
      mtu: 1400,
      role: 'server',
    });
  });

  it('gives an attachment the same address every time, and another one another', async () => {
    const macs: unknown[] = [];
    for (const container of ['c1', 'c1', 'c2']) {
      macs.push(await call('ADD', conf(), container));
      await call('DEL', conf(), container);
    }
    const [first, again, other] = macs.map(
      (result) => (result as { interfaces: { mac: string }[] }).interfaces[0].mac,
    );
    expect([again, other === first, /^02(:[0-9a-f]{2}){5}$/.test(first)]).toEqual([first, false, true]);
  });

  it.each(['0.4.0', '1.0.0'])('speaks version %s, without the words it has not', async (cniVersion) => {
    const result = (await call('ADD', conf({ cniVersion, mtu: 1400 }))) as { interfaces: object[] };
    expect(Object.keys(result.interfaces[0]).toSorted()).toEqual(['mac', 'name', 'sandbox']);
  });

  it('comes behind what other plugins have made', async () => {
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0' }],
      ips: [{ address: '10.0.0.2/24', interface: 0 }],
    };
    expect(await call('ADD', conf({ prevResult }))).toMatchObject({
      interfaces: [{ name: 'eth0' }, { name: 'net1' }],
      ips: prevResult.ips,
    });
  });

  it('puts the socket of a pod into its own directory, by the name of the interface', async () => {
    const uid = '0f6e1c9a-0000-4000-8000-000000000001';
    mkdirSync(at(`pods/${uid}/vio`), { recursive: true });
    const fields = conf({ socketDir: at('pods/{podUid}/vio'), containerDir: '/run/vio' });
    await call('ADD', fields, 'c1', { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_UID=${uid};K8S_POD_NAME=web` });
    expect(readdirSync(at(`pods/${uid}/vio`)).toSorted()).toEqual(['net1.json', 'net1.sock']);
    expect(JSON.parse(readFileSync(at(`pods/${uid}/vio/net1.json`), 'utf8'))).toMatchObject({
      type: 'vhost-user',
      'vhost-user': { mode: 'client', path: '/run/vio/net1.sock' },
      vio: { queues: 1, network: 'fast', container: 'c1' },
    });
  });

  it('writes the device-info file the runtime names, and DEL removes it', async () => {
    const fields = conf({ runtimeConfig: { CNIDeviceInfoFile: at('info.json') }, mode: 'server' });
    await call('ADD', fields);
    const info: unknown = JSON.parse(readFileSync(at('info.json'), 'utf8'));
    await call('DEL', fields);
    expect([info, existsSync(at('info.json'))]).toMatchObject([
      { 'vhost-user': { mode: 'server', path: at('pods/c1-net1.sock') } },
      false,
    ]);
  });

  it('twice is an error, and the first stays', async () => {
    await call('ADD');
    expect((await failure(call('ADD'))).code).toBe(100);
    expect([ports(), existsSync(at('pods/c1-net1.sock'))]).toEqual([['cni:fast:c1:net1'], true]);
  });

  it('of one attachment by two plugins at once succeeds once', async () => {
    const outcomes = await Promise.allSettled([call('ADD'), call('ADD'), call('ADD')]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(ports()).toHaveLength(1);
  });

  it('without a switch asks to be called later, and leaves nothing', async () => {
    await stopSwitch();
    const { code, details } = await failure(call('ADD'));
    expect([code, details, readdirSync(at('pods'))]).toEqual([
      11,
      expect.stringContaining('vio switch run'),
      [],
    ]);
    await startSwitch();
  });
});

describe('two hundred containers', () => {
  it('come and go side by side, and nothing is left of them', async () => {
    const containers = Array.from({ length: 200 }, (_, i) => `c${i}`);
    for (let i = 0; i < containers.length; i += 40) {
      await Promise.all(
        containers.slice(i, i + 40).map(async (container) => {
          await call('ADD', conf(), container);
          await call('DEL', conf(), container);
        }),
      );
    }
    expect([ports(), readdirSync(at('pods'))]).toEqual([[], []]);
  });
});

describe('DEL', () => {
  it('removes port, socket and files, and may be called again', async () => {
    await call('ADD');
    for (let i = 0; i < 2; i++) expect(await call('DEL')).toBe(undefined);
    expect([ports(), readdirSync(at('pods'))]).toEqual([[], []]);
  });

  it('of what never was is done, without a network namespace too', async () => {
    expect(await call('DEL', conf(), 'never', { CNI_NETNS: '' })).toBe(undefined);
  });

  it('of a pod the runtime does not name any more removes the port', async () => {
    const fields = conf({ socketDir: at('pods/{podUid}') });
    await call('ADD', fields, 'c1', { CNI_ARGS: 'K8S_POD_UID=u1' });
    await call('DEL', fields);
    expect(ports()).toEqual([]);
  });

  it('removes the socket of an application that listened and was killed, and no other file', async () => {
    const fields = conf({ mode: 'server' });
    await call('ADD', fields);
    const killed =
      'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
    spawnSync(process.execPath, ['-e', killed, at('pods/c1-net1.sock')]);
    expect(readdirSync(at('pods'))).toContain('c1-net1.sock');
    await call('DEL', fields);
    expect(readdirSync(at('pods'))).toEqual([]);
    writeFileSync(at('pods/c1-net1.sock'), 'mine');
    await call('DEL', fields);
    expect(readFileSync(at('pods/c1-net1.sock'), 'utf8')).toBe('mine');
  });

  it('that comes late leaves what the next sandbox of the pod has', async () => {
    const fields = conf({ socketDir: at('pods/{podUid}') });
    const env = { CNI_ARGS: 'K8S_POD_UID=u1' };
    await call('ADD', fields, 'c1', env);
    await call('DEL', fields, 'c1', env);
    await call('ADD', fields, 'c2', env);
    await call('DEL', fields, 'c1', env);
    expect([ports(), readdirSync(at('pods/u1')).toSorted()]).toEqual([
      ['cni:fast:c2:net1'],
      ['net1.json', 'net1.sock'],
    ]);
  });

  it('removes the directory that had the name of the container', async () => {
    const fields = conf({ socketDir: at('pods/{containerId}') });
    await call('ADD', fields);
    expect(existsSync(at('pods/c1/net1.sock'))).toBe(true);
    await call('DEL', fields);
    expect(readdirSync(at('pods'))).toEqual([]);
  });

  it('without a switch asks to be called later', async () => {
    await stopSwitch();
    expect((await failure(call('DEL'))).code).toBe(11);
    await startSwitch();
  });
});

describe('CHECK', () => {
  const added = async (): Promise<Fields> => conf({ prevResult: await call('ADD') });

  it('is content with what ADD has made', async () => {
    expect(await call('CHECK', await added())).toBe(undefined);
  });

  it('finds a port that the switch has lost', async () => {
    const fields = await added();
    await fabric.deletePort('cni:fast:c1:net1');
    expect((await failure(call('CHECK', fields))).code).toBe(101);
  });

  it('finds a port that is not as it was made', async () => {
    const fields = await added();
    expect((await failure(call('CHECK', { ...fields, vlan: 9 }))).message).toContain('vlan');
  });

  it('wants the result of ADD, with its interface', async () => {
    expect([
      (await failure(call('CHECK'))).code,
      (await failure(call('CHECK', conf({ prevResult: { interfaces: [] } })))).code,
    ]).toEqual([7, 101]);
  });
});

describe('STATUS', () => {
  it('is ready while the switch has the bridge, and says what is wrong otherwise', async () => {
    expect(await call('STATUS')).toBe(undefined);
    expect((await failure(call('STATUS', conf({ bridge: 'none' })))).code).toBe(50);
    await stopSwitch();
    expect((await failure(call('STATUS'))).code).toBe(50);
    await startSwitch();
  });
});

describe('GC', () => {
  it('removes what belongs to nobody, of this network alone', async () => {
    for (const container of ['c1', 'c2', 'c3']) await call('ADD', conf(), container);
    await call('ADD', conf({ name: 'other' }), 'c4');
    await call('GC', conf({ 'cni.dev/valid-attachments': [{ containerID: 'c2', ifname: 'net1' }] }));
    expect(ports()).toEqual(['cni:fast:c2:net1', 'cni:other:c4:net1']);
    expect(readdirSync(at('pods')).toSorted()).toEqual([
      'c2-net1.json',
      'c2-net1.sock',
      'c4-net1.json',
      'c4-net1.sock',
    ]);
  });
});

describe('IPAM', () => {
  /** A plugin that answers what it is told, and notes its calls. */
  function ipam(answer: object, exitCode = 0): Fields {
    mkdirSync(at('bin'), { recursive: true });
    const script = `#!/bin/sh\ncat >${at('ipam-stdin')}\necho $CNI_COMMAND $CNI_CONTAINERID >>${at('ipam-calls')}\necho '${JSON.stringify(answer)}'\nexit ${exitCode}\n`;
    writeFileSync(at('bin/addresses'), script);
    chmodSync(at('bin/addresses'), 0o755);
    return { ipam: { type: 'addresses', subnet: '10.0.0.0/24' } };
  }
  const calls = (): string[] => readFileSync(at('ipam-calls'), 'utf8').trim().split('\n');

  it('gives the interface its addresses, and is told of the end', async () => {
    const fields = conf(
      ipam({ cniVersion: '1.1.0', ips: [{ address: '10.0.0.5/24' }], routes: [{ dst: '0.0.0.0/0' }] }),
    );
    const result = await call('ADD', fields);
    await call('CHECK', { ...fields, prevResult: result });
    await call('DEL', fields);
    expect(result).toMatchObject({
      ips: [{ address: '10.0.0.5/24', interface: 0 }],
      routes: [{ dst: '0.0.0.0/0' }],
    });
    expect([calls(), JSON.parse(readFileSync(at('ipam-stdin'), 'utf8'))]).toEqual([
      ['ADD c1', 'CHECK c1', 'DEL c1'],
      fields,
    ]);
  });

  it('that fails is the failure, in its own words, and the port is gone', async () => {
    const { code, message } = await failure(
      call('ADD', conf(ipam({ code: 120, msg: 'no address left' }, 1))),
    );
    expect([code, message, ports(), readdirSync(at('pods'))]).toEqual([120, 'no address left', [], []]);
  });

  it('that is not there is an error that says where it was looked for', async () => {
    const { code, message } = await failure(call('ADD', conf({ ipam: { type: 'nobody' } })));
    expect([code, message, ports()]).toEqual([5, expect.stringContaining(at('bin')), []]);
  });
});

describe('names', () => {
  it.each([
    ['long ones', 'n'.repeat(256), 'c'.repeat(256), 'i'.repeat(15)],
    ['signs', 'a.b_c-d', 'a.b_c-d', "!#$%&'()*+,-;<="],
  ])('of %s become ports, and are found again', async (_, name, container, ifname) => {
    const env = { CNI_IFNAME: ifname };
    await call('ADD', conf({ name }), container, env);
    expect(ports()).toHaveLength(1);
    await call('GC', conf({ name, 'cni.dev/valid-attachments': [{ containerID: container, ifname }] }));
    expect(ports()).toHaveLength(1);
    await call('DEL', conf({ name }), container, env);
    expect(ports()).toEqual([]);
  });
});

describe('the environment', () => {
  it.each([
    ['CNI_COMMAND', 'NONSENSE'],
    ['CNI_CONTAINERID', ''],
    ['CNI_CONTAINERID', '../x'],
    ['CNI_CONTAINERID', '-x'],
    ['CNI_IFNAME', ''],
    ['CNI_IFNAME', '..'],
    ['CNI_IFNAME', 'a/b'],
    ['CNI_IFNAME', 'a b'],
    ['CNI_IFNAME', 'sixteencharacter'],
    ['CNI_NETNS', ''],
  ])('with %s=%j is refused by its name', async (variable, value) => {
    const { code, message } = await failure(call('ADD', conf(), 'c1', { [variable]: value }));
    expect([code, message]).toEqual([4, expect.stringContaining(variable)]);
  });
});

describe('a conf', () => {
  it.each<[string, string]>([
    ['nonsense', '{'],
    ['a list', '[]'],
    ['nothing', ''],
  ])('that is %s cannot be decoded', async (_, text) => {
    expect((await failure(runPlugin(environment('ADD'), text))).code).toBe(6);
  });

  it.each([['0.3.1'], ['2.0.0'], [undefined], [7]])('of version %s is not supported', async (cniVersion) => {
    expect((await failure(call('ADD', conf({ cniVersion })))).code).toBe(1);
  });

  it.each<[string, unknown, number]>([
    ['nonsense', 1, 2],
    ['vlans', 3, 2],
    ['name', '', 7],
    ['name', '../x', 7],
    ['bridge', '', 7],
    ['bridge', undefined, 7],
    ['bridge', 'none', 7],
    ['backend', 'vpp', 7],
    ['control', 'relative', 7],
    ['vlan', 4095, 7],
    ['vlan', '7', 7],
    ['trunk', [0], 7],
    ['trunk', 'all', 7],
    ['socketDir', '/tmp/../etc', 7],
    ['socketDir', 'pods', 7],
    ['socketDir', '/tmp/{podUid}', 7],
    ['socketDir', '/tmp/{nonsense}', 7],
    ['socketDir', `/${'x'.repeat(120)}`, 7],
    ['containerDir', 'x', 7],
    ['mode', 'both', 7],
    ['queues', 0, 7],
    ['queues', 1.5, 7],
    ['mtu', 67, 7],
    ['mac', '01:00:00:00:00:01', 7],
    ['mac', 'nonsense', 7],
    ['uid', -1, 7],
    ['gid', 2 ** 32, 7],
    ['socketMode', 660, 7],
    ['timeout', 0, 7],
    ['ipam', [], 7],
    ['ipam', { type: '../../bin/sh' }, 7],
    ['prevResult', 7, 7],
    ['runtimeConfig', 'x', 7],
  ])('whose %s is %j is refused by its name', async (key, value, code) => {
    const { code: got, message, details } = await failure(call('ADD', conf({ [key]: value })));
    expect([got, message, details.length > 0]).toEqual([code, expect.stringMatching(key.slice(0, 6)), true]);
    expect(ports()).toEqual([]);
  });
});

describe('a socket directory', () => {
  it('that is a link to elsewhere is refused, and nothing is made there', async () => {
    mkdirSync(at('elsewhere'));
    symlinkSync('elsewhere', at('pods'));
    expect([(await failure(call('ADD'))).code, readdirSync(at('elsewhere')), ports()]).toEqual([5, [], []]);
  });

  it('that is a file is refused', async () => {
    writeFileSync(at('pods'), '');
    expect([(await failure(call('ADD'))).code, ports()]).toEqual([5, []]);
  });

  it('in which a file has the place of the socket is refused, and the file stays', async () => {
    mkdirSync(at('pods'));
    writeFileSync(at('pods/c1-net1.sock'), 'mine');
    expect([(await failure(call('ADD'))).code, readFileSync(at('pods/c1-net1.sock'), 'utf8')]).toEqual([
      5,
      'mine',
    ]);
  });
});

describe('Open vSwitch', () => {
  /** An ovs-vsctl that keeps its ports in a directory, as a database of its own. */
  function openVswitch(): Fields {
    mkdirSync(at('ovs'));
    const script = `#!/bin/sh
echo "$*" >>${at('ovs-calls')}
[ -e ${at('ovs-away')} ] && { echo "ovs-vsctl: unix:db.sock: database connection failed (No such file)" >&2; exit 1; }
shift
[ "$1" = --no-wait ] && shift
case "$1" in
  br-exists) [ "$2" = br0 ] || exit 2 ;;
  add-port) [ "$2" = br0 ] || { echo "ovs-vsctl: no bridge named $2" >&2; exit 1; }
    for word; do case "$word" in options:vhost-server-path=*) echo "\${word#*=}" >${at('ovs')}/$3 ;; esac; done
    [ -e ${at('ovs-slow')} ] && { echo "ovs-vsctl: terminating with signal 14 (Alarm clock)" >&2; exit 142; }
    true ;;
  --if-exists) case "$2" in
    del-port) rm -f ${at('ovs')}/$4 ;;
    get) [ -e ${at('ovs')}/$4 ] && { [ "$5" = name ] && echo "\\"$4\\"" || cat ${at('ovs')}/$4; } ;;
    esac; true ;;
  --format=json) echo '{"data":['$(cd ${at('ovs')}; for port in *; do echo "[\\"$port\\",[\\"map\\",[[\\"vhost-server-path\\",$(cat $port)]]]]"; done | paste -sd,)'],"headings":["name","options"]}' ;;
esac
`;
    writeFileSync(at('ovs-vsctl'), script);
    chmodSync(at('ovs-vsctl'), 0o755);
    return conf({ backend: 'ovs', ovsctl: at('ovs-vsctl') });
  }
  const known = (): string[] => readdirSync(at('ovs'));

  it('gets a port that connects to the socket of the application', async () => {
    const fields = { ...openVswitch(), vlan: 7, mtu: 1400, queues: 2 };
    await call('ADD', fields);
    const [port] = known();
    const added = readFileSync(at('ovs-calls'), 'utf8')
      .split('\n')
      .find((line) => line.includes('add-port'));
    expect(port).toMatch(/^vio[0-9a-f]{12}$/);
    expect(added).toBe(
      `--timeout=5 add-port br0 ${port} tag=7 -- set Interface ${port} type=dpdkvhostuserclient ` +
        `options:vhost-server-path="${at('pods/c1-net1.sock')}" mtu_request=1400 options:n_rxq=2 ` +
        'external_ids:vio-network="fast" external_ids:vio-container="c1"',
    );
  });

  it('is asked for all the rest as well', async () => {
    const fields = openVswitch();
    const prevResult = await call('ADD', fields);
    expect((await failure(call('ADD', fields))).code).toBe(100);
    await call('CHECK', { ...fields, prevResult });
    await call('STATUS', fields);
    await call('ADD', fields, 'c2');
    await call('GC', { ...fields, 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'net1' }] });
    expect(known()).toHaveLength(1);
    await call('DEL', fields);
    await call('DEL', fields);
    expect(known()).toEqual([]);
    expect((await failure(call('CHECK', { ...fields, prevResult }))).code).toBe(101);
  });

  it('whose database has the port, but whose daemon does not answer, is asked later, and has none then', async () => {
    const fields = openVswitch();
    writeFileSync(at('ovs-slow'), '');
    expect([(await failure(call('ADD', fields))).code, known(), readdirSync(at('pods'))]).toEqual([
      11,
      [],
      [],
    ]);
    rmSync(at('ovs-slow'));
    await call('ADD', fields);
    expect(known()).toHaveLength(1);
  });

  it.each([
    ['a database that is away', 11, () => writeFileSync(at('ovs-away'), ''), {}],
    ['a bridge there is not', 102, () => {}, { bridge: 'none' }],
    ['no ovs-vsctl', 5, () => {}, { ovsctl: '/nowhere/ovs-vsctl' }],
    ['an application that connects', 7, () => {}, { mode: 'client' }],
  ])('fails with %s: %d', async (_, code, prepare, more) => {
    const fields = openVswitch();
    prepare();
    expect((await failure(call('ADD', { ...fields, ...more }))).code).toBe(code);
  });
});
