// What the plugin is told: its environment, its configuration, where sockets are to be.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CniError, runPlugin } from './index.ts';
import { failure, pluginOnSwitch } from './test-support/plugin.ts';

const { at, call, conf, environment, ports } = pluginOnSwitch();

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
    ['ovsctl', 7, 7],
    ['deviceID', '../x', 7],
    ['cni.dev/valid-attachments', [{ containerID: 'c1' }], 7],
  ])('whose %s is %j is refused by its name', async (key, value, code) => {
    const { code: got, message, details } = await failure(call('ADD', conf({ [key]: value })));
    expect([got, message, details.length > 0]).toEqual([code, expect.stringMatching(key.slice(0, 6)), true]);
    expect(ports()).toEqual([]);
  });
});

/** Values of every kind, and what is special among texts and numbers. */
const kinds: Readonly<Record<string, unknown>> = {
  null: null,
  'a boolean': true,
  'a number': 70,
  'a number in a text': '70',
  'a negative number': -1,
  'a fraction': 1.5,
  'a number beyond all': 1e300,
  'an empty text': '',
  'a word': 'word',
  'a path': '/run/vio',
  'a path upwards': '/run/../etc',
  'a text with a zero': '/a\0b',
  'a text with two lines': '/a\nb',
  'a text without end': `/${'x'.repeat(5000)}`,
  'a list': [],
  'a list of null': [null],
  'a list of words': ['word'],
  'an object': {},
};
/** Every field there is, and which of these it may have. */
const fits: Readonly<Record<string, readonly string[]>> = {
  cniVersion: [],
  cniVersions: ['a list', 'a list of words'],
  name: ['a word', 'a number in a text'],
  type: ['an empty text', 'a word', 'a number in a text'],
  args: ['an object'],
  capabilities: ['an object'],
  runtimeConfig: ['an object'],
  dns: ['an object'],
  ipMasq: ['a boolean'],
  disableCheck: ['a boolean'],
  disableGC: ['a boolean'],
  loadOnlyInlinedPlugins: ['a boolean'],
  prevResult: ['an object'],
  ipam: ['an object'],
  'cni.dev/valid-attachments': ['a list'],
  'cni.dev/attachments': ['a list'],
  deviceID: ['an empty text', 'a word', 'a number in a text'],
  pciBusID: ['an empty text', 'a word', 'a number in a text'],
  backend: [],
  control: ['a path'],
  bridge: ['a word', 'a number in a text'],
  vlan: ['a number'],
  trunk: ['a list'],
  socketDir: ['a path'],
  containerDir: ['an empty text', 'a path'],
  mode: [],
  queues: ['a number'],
  mtu: ['a number'],
  mac: ['an empty text'],
  uid: ['a number'],
  gid: ['a number'],
  socketMode: [],
  timeout: ['a number'],
  ovsctl: ['a number in a text', 'a path', 'a path upwards', 'a text with two lines', 'a word'],
};

describe('every field of a conf', () => {
  it.each(Object.entries(fits))('refuses by its name what it cannot be: %s', async (field, allowed) => {
    const code = field === 'cniVersion' ? 1 : 7;
    const wrong = Object.entries(kinds).filter(([kind]) => !allowed.includes(kind));
    const outcomes = await Promise.all(
      wrong.map(async ([kind, value]) => {
        const error = await failure(call('ADD', conf({ [field]: value })));
        const named = error.message.includes(field === 'cniVersion' ? 'CNI version' : field);
        return [kind, error.code, named, error.details.length > 0];
      }),
    );
    expect(outcomes).toEqual(wrong.map(([kind]) => [kind, code, true, true]));
    expect([ports(), existsSync(at('pods'))]).toEqual([[], false]);
  });

  it.each(Object.entries(fits))('takes what it can be: %s', async (field, allowed) => {
    // STATUS reads all of them, and makes nothing.
    const outcomes = await Promise.all(
      allowed.map(async (kind) => {
        const refused = await call('STATUS', conf({ [field]: kinds[kind] })).catch(
          (error: unknown) => (error as CniError).code,
        );
        return [kind, refused === 7];
      }),
    );
    expect(outcomes).toEqual(allowed.map((kind) => [kind, false]));
  });

  it.each<[string, object]>([
    ['mac', { mac: 7 }],
    ['mac', { mac: '01:00:00:00:00:01' }],
    ['deviceID', { deviceID: '../x' }],
    ['CNIDeviceInfoFile', { CNIDeviceInfoFile: 'relative' }],
    ['CNIDeviceInfoFile', { CNIDeviceInfoFile: '/a/../b' }],
  ])('refuses by its name what the runtime says wrong: %s %j', async (field, runtimeConfig) => {
    const { code, message } = await failure(call('ADD', conf({ runtimeConfig })));
    expect([code, message]).toEqual([7, expect.stringContaining(field)]);
  });

  it.each<[object]>([
    [{ interfaces: 7 }],
    [{ interfaces: [null] }],
    [{ interfaces: [{ mac: '02:00:00:00:00:01' }] }],
    [{ interfaces: [{ name: 'net1', mac: 7 }] }],
    [{ ips: {} }],
    [{ ips: [7] }],
    [{ routes: 'none' }],
    [{ dns: [] }],
  ])('refuses a result of other plugins that is none: %j', async (prevResult) => {
    for (const command of ['ADD', 'CHECK', 'DEL']) {
      const { code, message } = await failure(call(command, conf({ prevResult })));
      expect([command, code, message]).toEqual([command, 7, expect.stringContaining('prevResult')]);
    }
    expect(ports()).toEqual([]);
  });
});

describe('a socket directory', () => {
  it('that is a link to elsewhere is refused, and nothing is made there', async () => {
    mkdirSync(at('elsewhere'));
    symlinkSync('elsewhere', at('pods'));
    expect([(await failure(call('ADD'))).code, readdirSync(at('elsewhere')), ports()]).toEqual([5, [], []]);
  });

  it('below a link is refused, and nothing is made at the other end of it', async () => {
    mkdirSync(at('elsewhere'));
    symlinkSync('elsewhere', at('link'));
    const fields = conf({ socketDir: at('link/pods/deep') });
    expect([(await failure(call('ADD', fields))).code, readdirSync(at('elsewhere')), ports()]).toEqual([
      5,
      [],
      [],
    ]);
  });

  it('that a link takes the place of after ADD has nothing removed at its other end by DEL', async () => {
    await call('ADD');
    mkdirSync(at('elsewhere'));
    writeFileSync(at('elsewhere/c1-net1.json'), 'mine');
    renameSync(at('pods'), at('before'));
    symlinkSync('elsewhere', at('pods'));
    await call('DEL').catch(() => {});
    expect(readFileSync(at('elsewhere/c1-net1.json'), 'utf8')).toBe('mine');
  });

  it('below a file is refused', async () => {
    writeFileSync(at('file'), '');
    const fields = conf({ socketDir: at('file/pods') });
    expect([(await failure(call('ADD', fields))).code, ports()]).toEqual([5, []]);
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
