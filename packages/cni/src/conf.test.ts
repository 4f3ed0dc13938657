// What the plugin is told: its environment, its configuration, where sockets are to be.
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runPlugin } from './index.ts';
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
