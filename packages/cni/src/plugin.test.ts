// The commands of a container runtime, and what is left of them.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type Socket, createServer } from 'node:net';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runPlugin } from './index.ts';
import { type Fields, failure, pluginOnSwitch } from './test-support/plugin.ts';

const { at, call, conf, fabric, ports, startSwitch, stopSwitch } = pluginOnSwitch();

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
    expect(fabric().port('cni:fast:c1:net1').config).toMatchObject({
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

describe('a switch that goes away during ADD', () => {
  it.each<[string, (asking: Socket) => void]>([
    ['ends the connection', (asking) => asking.destroy()],
    ['does not answer', () => {}],
    ['ends in the midst of its answer', (asking) => asking.end('{"id":1,"res')],
    ['answers what nobody understands', (asking) => asking.write('nonsense\n')],
  ])('and %s has the plugin called later, which leaves nothing', async (_, behave) => {
    const connections = new Set<Socket>();
    const server = createServer((asking) => {
      connections.add(asking);
      asking.on('error', () => {});
      asking.once('data', () => behave(asking));
    }).listen(at('other.sock'));
    await once(server, 'listening');
    const { code, details } = await failure(call('ADD', conf({ control: at('other.sock'), timeout: 300 })));
    for (const asking of connections) asking.destroy();
    server.close();
    expect([code, details, readdirSync(at('pods'))]).toEqual([
      11,
      expect.stringContaining('vio switch run'),
      [],
    ]);
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
    await fabric().deletePort('cni:fast:c1:net1');
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
