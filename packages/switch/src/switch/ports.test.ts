// Ports that come and go while a switch runs.
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, rejectionOf, until, broadcast, frame, macOf } from '@vio/test-support';
import { openVirtioUser } from '@vio/virtio-user';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../index.ts';
import { Host, onThreads } from '../test-support/network.ts';

onThreads((start) => {
  describe('a port that is added', () => {
    it('takes part at once, and is gone with its socket when it is deleted', async () => {
      await using network = await start({ a: {} });
      const socket = network.socket('b');
      await network.fabric.addPort({ name: 'b', bridge: 'br', socket, mode: 0o620 });
      const mode = statSync(socket).mode & 0o777;
      await network.connect('b');
      expect([mode, await network.whoHears('a', frame(broadcast, macOf(1)))]).toEqual([0o620, ['b']]);
      expect([await network.fabric.deletePort('b'), existsSync(socket)]).toEqual([true, false]);
      expect(network.fabric.ports().map(({ name }) => name)).toEqual(['a']);
    });

    it('may be added again as it is, and not otherwise', async () => {
      await using network = await start({});
      const port = { name: 'b', bridge: 'br', socket: network.socket('b') };
      const first = await network.fabric.addPort(port);
      expect(await network.fabric.addPort(port)).toEqual(first);
      expect(await codeOf(network.fabric.addPort({ ...port, queues: 3 }))).toBe('VIO_SWITCH_PORT_EXISTS');
      expect(await codeOf(network.fabric.addPort(port, { exclusive: true }))).toBe('VIO_SWITCH_PORT_EXISTS');
    });

    it('may be deleted twice', async () => {
      await using network = await start({});
      await network.fabric.addPort({ name: 'b', bridge: 'br', socket: network.socket('b') });
      expect([await network.fabric.deletePort('b'), await network.fabric.deletePort('b')]).toEqual([
        true,
        false,
      ]);
    });

    it('of the configuration is not deleted by a request', async () => {
      await using network = await start({ a: {} });
      expect(await codeOf(network.fabric.deletePort('a'))).toBe('VIO_SWITCH_IN_USE');
    });

    it('can be one of two hundred that are added and deleted side by side, and nothing is left of them', async () => {
      await using network = await start({ a: {} });
      const names = Array.from({ length: 200 }, (_, i) => `p${i}`);
      await Promise.all(
        names.map(async (name) => {
          await network.fabric.addPort({ name, bridge: 'br', socket: network.socket(name) });
          await network.fabric.deletePort(name);
        }),
      );
      expect([
        network.fabric.ports().length,
        names.filter((name) => existsSync(network.socket(name))),
      ]).toEqual([1, []]);
    });
  });

  describe('a switch that is full', () => {
    it('has 4096 ports, refuses one more by name, and takes it when another is gone', async () => {
      await using network = await start({});
      const port = (i: number): object => ({ name: `p${i}`, bridge: 'br', socket: network.socket(`p${i}`) });
      for (let i = 0; i < 4096; i++) await network.fabric.addPort(port(i));
      expect(await codeOf(network.fabric.addPort(port(4096)))).toBe('VIO_SWITCH_PORTS_FULL');
      expect(existsSync(network.socket('p4096'))).toBe(false);
      for (const name of ['p7', 'p4095']) await network.connect(name);
      expect(await network.whoHears('p7', frame(broadcast, macOf(1)))).toEqual(['p4095']);
      await network.fabric.deletePort('p0');
      await network.fabric.addPort(port(4096));
      expect([network.fabric.ports().length, network.fabric.awake <= 2]).toEqual([4096, true]);
    }, 60_000);
  });

  describe('a port that cannot be', () => {
    const port = { name: 'b', bridge: 'br' };

    it.each([
      [
        'a bridge there is not',
        { ...port, bridge: 'none', socket: '/tmp/x.sock' },
        'VIO_SWITCH_BRIDGE_MISSING',
      ],
      ['a directory there is not', { ...port, socket: '/nowhere/x.sock' }, 'VIO_SWITCH_DIRECTORY'],
      ['a path no socket can have', { ...port, socket: `/tmp/${'x'.repeat(108)}` }, 'VIO_SWITCH_CONFIG'],
      ['a relative path', { ...port, socket: 'x.sock' }, 'VIO_SWITCH_CONFIG'],
      ['a name with a slash', { ...port, name: '../b', socket: '/tmp/x.sock' }, 'VIO_SWITCH_CONFIG'],
      ['an empty name', { ...port, name: '', socket: '/tmp/x.sock' }, 'VIO_SWITCH_CONFIG'],
      ['a field there is not', { ...port, socket: '/tmp/x.sock', vlans: 3 }, 'VIO_SWITCH_CONFIG'],
      ['VLAN 4095', { ...port, socket: '/tmp/x.sock', vlan: { access: 4095 } }, 'VIO_SWITCH_CONFIG'],
      ['VLAN 0', { ...port, socket: '/tmp/x.sock', vlan: { trunk: [0] } }, 'VIO_SWITCH_CONFIG'],
      ['an MTU of 67', { ...port, socket: '/tmp/x.sock', mtu: 67 }, 'VIO_SWITCH_CONFIG'],
      ['a group address', { ...port, socket: '/tmp/x.sock', mac: '01:00:00:00:00:01' }, 'VIO_SWITCH_CONFIG'],
      ['no queues', { ...port, socket: '/tmp/x.sock', queues: 0 }, 'VIO_SWITCH_CONFIG'],
      ['a negative owner', { ...port, socket: '/tmp/x.sock', uid: -1 }, 'VIO_SWITCH_CONFIG'],
      ['a storm limit of nothing', { ...port, socket: '/tmp/x.sock', stormLimit: 0 }, 'VIO_SWITCH_CONFIG'],
      ['nothing at all', null, 'VIO_SWITCH_CONFIG'],
    ])('because of %s is refused by name, and leaves nothing', async (_, config, code) => {
      await using network = await start({ a: {} });
      const attempt = async (): Promise<unknown> => network.fabric.addPort(config);
      expect(await codeOf(attempt())).toBe(code);
      expect(network.fabric.ports()).toHaveLength(1);
    });

    it('because its directory is a link to elsewhere is refused', async () => {
      await using network = await start({});
      mkdirSync(join(network.directory, 'real'));
      symlinkSync('real', join(network.directory, 'link'));
      const socket = join(network.directory, 'link/x.sock');
      expect(await codeOf(network.fabric.addPort({ ...port, socket }))).toBe('VIO_SWITCH_DIRECTORY');
      expect(existsSync(join(network.directory, 'real/x.sock'))).toBe(false);
    });

    it('because a file is in the way leaves the file', async () => {
      await using network = await start({});
      writeFileSync(network.socket('b'), 'mine');
      const refused = await codeOf(network.fabric.addPort({ ...port, socket: network.socket('b') }));
      expect([refused, statSync(network.socket('b')).size]).toEqual(['VIO_SOCKET_NOT_A_SOCKET', 4]);
    });

    it('because somebody else listens there does not disturb them', async () => {
      await using network = await start({ a: {} });
      const socket = network.socket('a');
      expect(await codeOf(network.fabric.addPort({ ...port, socket }))).toBe('VIO_SOCKET_IN_USE');
      expect(network.fabric.port('a').connected).toBe(true);
    });

    it('says which field is wrong, and what is allowed', async () => {
      await using network = await start({});
      const attempt = async (): Promise<unknown> =>
        network.fabric.addPort({ ...port, socket: '/tmp/x.sock', mac: 'nonsense' });
      expect((await rejectionOf(attempt())).message).toMatch(/"mac".*unicast address as in 02:/);
    });
  });

  describe('4096 ports', () => {
    it('are there at once, and one more is refused as something that may pass', async () => {
      const sockets = Array.from({ length: 4096 }, (_, i) => ({ name: `p${i}`, uplink: 'unused' }));
      // As a configuration: as many sockets would be as many descriptors.
      const config = { bridges: [{ name: 'br' }], ports: sockets.map((port) => ({ ...port, bridge: 'br' })) };
      expect(parseConfig(config).ports).toHaveLength(4096);
      const more = { ...config, ports: [...config.ports, { name: 'more', uplink: 'unused', bridge: 'br' }] };
      expect(() => parseConfig(more)).toThrow(/ports/);
    });
  });

  describe('the role of a client', () => {
    it('waits for the application that listens, and for the next one', async () => {
      await using network = await start({ a: {} });
      const socket = network.socket('app');
      await network.fabric.addPort({ name: 'app', bridge: 'br', socket, role: 'client' });
      for (const round of [1, 2]) {
        const host = await network.connect('app');
        expect([round, host !== undefined, await network.whoHears('a', frame(broadcast, macOf(1)))]).toEqual([
          round,
          true,
          ['app'],
        ]);
        await network.disconnect('app');
      }
    });
  });

  describe('a directory of applications that listen', () => {
    it('has a port for every socket while it is there', async () => {
      await using network = await start({ a: {} });
      const path = join(network.directory, 'apps');
      mkdirSync(path);
      writeFileSync(join(path, 'no-socket'), '');
      await network.fabric.reload(
        parseConfig({ ...network.configure({ a: {} }), directories: [{ path, bridge: 'br' }] }),
      );
      const app = await openVirtioUser({ path: join(path, 'web.sock'), server: true });
      network.hosts.set('web', new Host(app));
      await until(() => network.fabric.ports().some(({ name, connected }) => name === 'web' && connected));
      expect(await network.whoHears('a', frame(broadcast, macOf(1)))).toEqual(['web']);
      await network.disconnect('web').catch(() => {}); // the port may be gone first
      await until(() => network.fabric.ports().length === 1);
      expect(network.fabric.ports().map(({ name }) => name)).toEqual(['a']);
    });

    it('keeps the rules of its ports, whatever the configuration calls by their names', async () => {
      await using network = await start({});
      const path = join(network.directory, 'apps');
      mkdirSync(path);
      const directories = [{ path, bridge: 'br' }];
      await network.fabric.reload(parseConfig({ ...network.configure({}), directories }));
      await using app = await openVirtioUser({ path: join(path, 'web.sock'), server: true });
      await until(() => network.fabric.ports().some(({ name }) => name === 'web'));
      const before = network.fabric.port('web').config;
      const next = { ...network.configure({ web: { vlan: { access: 3 } } }), directories };
      expect(await codeOf(network.fabric.reload(parseConfig(next)))).toBe('VIO_SWITCH_PORT_EXISTS');
      expect([network.fabric.port('web').config, app.link.up]).toEqual([before, true]);
    });

    it('that is a link is refused', async () => {
      await using network = await start({});
      symlinkSync('/tmp', join(network.directory, 'link'));
      const config = {
        ...network.configure({}),
        directories: [{ path: join(network.directory, 'link'), bridge: 'br' }],
      };
      expect(await codeOf(network.fabric.reload(parseConfig(config)))).toBe('VIO_SWITCH_DIRECTORY');
    });
  });

  describe('a reload', () => {
    it('leaves ports that are the same alone, with what they have learned', async () => {
      await using network = await start({ a: {}, b: {}, c: {} });
      await network.send('b', frame(broadcast, macOf(2)));
      const done = await network.fabric.reload(parseConfig(network.configure({ a: {}, b: {}, d: {} })));
      expect(done).toEqual({ added: ['d'], removed: ['c'], changed: [], reopened: [] });
      expect(await network.whoHears('a', frame(macOf(2), macOf(1)))).toEqual(['b']);
    });

    it('changes VLANs and limits of a port that goes on', async () => {
      await using network = await start({ a: {}, b: {} });
      const next = network.configure({ a: { vlan: { access: 3 } }, b: {} });
      const done = await network.fabric.reload(parseConfig(next));
      expect([done.changed, network.fabric.port('a').connected]).toEqual([['a'], true]);
      const sent = frame(broadcast, macOf(1));
      expect((await network.send('a', sent))['b']?.[0].subarray(12, 16)).toEqual(
        Uint8Array.of(0x81, 0, 0, 3),
      );
    });

    it('opens anew what is another socket', async () => {
      await using network = await start({ a: {} });
      const next = network.configure({ a: { socket: network.socket('other') } });
      const done = await network.fabric.reload(parseConfig(next));
      expect([done.reopened, existsSync(network.socket('a')), existsSync(network.socket('other'))]).toEqual([
        ['a'],
        false,
        true,
      ]);
    });

    it('keeps ports of the control socket, and refuses what does not go with them before it changes anything', async () => {
      await using network = await start({ a: {} });
      await network.fabric.addPort({ name: 'added', bridge: 'br', socket: network.socket('added') });
      await network.fabric.reload(parseConfig(network.configure({ a: {} })));
      const clash = parseConfig(network.configure({ added: {} }));
      expect(await codeOf(network.fabric.reload(clash))).toBe('VIO_SWITCH_CONFIG');
      expect(network.fabric.ports().map(({ name }) => name)).toEqual(['a', 'added']);
    });
  });

  describe('an uplink', () => {
    it('joins two switches, and is there again when the other one is', async () => {
      await using core = await start({ server: {}, down: {} });
      await core.disconnect('down');
      const socket = core.socket('down');
      await using edge = await start({ host: {}, up: { uplink: `path=${socket}` } });
      await until(() => core.fabric.port('down').connected);
      core.hosts.set('host', edge.host('host'));
      for (const round of [1, 2]) {
        await edge.host('host').port.send(frame(broadcast, macOf(1)));
        await until(() => core.counter('server', 'tx_frames') > 0);
        const answer = frame(macOf(1), macOf(2));
        core.host('server').received();
        await core.host('server').port.send(answer);
        let got: Uint8Array[] = [];
        await until(() => (got = [...got, ...edge.host('host').received()]).length > 0);
        expect([round, got]).toEqual([round, [answer]]);
        if (round === 2) break;
        await core.host('server').port.close();
        await core.stop();
        await core.begin({ server: {}, down: {} });
        await core.connect('server');
        await until(() => core.fabric.port('down').connected && edge.fabric.port('up').connected);
      }
      core.hosts.delete('host');
    }, 20_000);

    it('that is wrong is an error at once, and one that is not there yet is none', async () => {
      await using network = await start({});
      const port = { name: 'up', bridge: 'br' };
      expect(await codeOf(network.fabric.addPort({ ...port, uplink: 'path=/tmp/x,queues=0' }))).toBe(
        'VIO_DEVARGS_VALUE',
      );
      await network.fabric.addPort({ ...port, uplink: `path=${network.socket('later')}` });
      expect(network.troubles.map(({ code }) => code)).toEqual(['VIO_SOCKET_MISSING']);
    });
  });
});
