import { statSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rejectionOf, broadcast, frame, macOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type StartNetwork, onThreads } from '../test-support/network.ts';
import { callSwitch } from './client.ts';
import { serveControl } from './control-server.ts';

async function serving(start: StartNetwork) {
  const network = await start({ a: {}, b: {} });
  const path = join(network.directory, 'control.sock');
  const server = serveControl(path, {
    fabric: network.fabric,
    reload: undefined,
    health: () => ({ status: 'ok' }),
  });
  return {
    network,
    path,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
    },
  };
}

/** Sends lines over one connection. @returns as many answers */
async function talk(path: string, ...lines: string[]): Promise<Record<string, unknown>[]> {
  const socket = connect(path);
  socket.write(lines.map((line) => `${line}\n`).join(''));
  const answers: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input: socket })) {
    answers.push(JSON.parse(line) as Record<string, unknown>);
    if (answers.length === lines.length) break;
  }
  socket.destroy();
  return answers;
}

onThreads((start) => {
  describe('the control socket', () => {
    it('is for this user alone', async () => {
      await using control = await serving(start);
      expect(statSync(control.path).mode & 0o777).toBe(0o600);
    });

    it('adds, shows and deletes ports', async () => {
      await using control = await serving(start);
      const { path, network } = control;
      const port = { name: 'c', bridge: 'br', socket: network.socket('c') };
      await callSwitch(path, 'add-port', port);
      expect(await callSwitch(path, 'show-port', { name: 'c' })).toMatchObject({
        name: 'c',
        origin: 'control',
        connected: false,
      });
      expect(await callSwitch(path, 'delete-port', { name: 'c' })).toEqual({ deleted: true });
      expect(await callSwitch(path, 'delete-port', { name: 'c' })).toEqual({ deleted: false });
    });

    it('tells addresses, counters, bridges and health', async () => {
      await using control = await serving(start);
      const { path, network } = control;
      await network.send('a', frame(broadcast, macOf(1)));
      expect(await callSwitch(path, 'show-macs')).toMatchObject([
        { bridge: 'br', mac: '02:00:00:00:00:01', vlan: 0, port: 'a' },
      ]);
      expect(await callSwitch(path, 'show-counters')).toMatchObject({
        a: { rx_frames: 1, flooded_frames: 1 },
        b: { tx_frames: 1 },
      });
      expect(await callSwitch(path, 'show-bridges')).toMatchObject([{ name: 'br', ports: 2, learned: 1 }]);
      expect(await callSwitch(path, 'flush-macs', {})).toEqual({ flushed: 1 });
      expect(await callSwitch(path, 'health')).toEqual({ status: 'ok' });
    });

    it('answers what telemetry is asked, as every program of vio does', async () => {
      await using control = await serving(start);
      const { path, network } = control;
      await network.send('a', frame(broadcast, macOf(1)));
      expect(await callSwitch(path, '/ethdev/list')).toEqual([0, 1]);
      expect(await callSwitch(path, '/ethdev/xstats,0')).toMatchObject({ switch_rx_frames: 1 });
      const { ports } = (await callSwitch(path, '/vio/snapshot')) as {
        ports: { name: string; rings: object[] }[];
      };
      expect(ports.map(({ name, rings }) => [name, rings.length])).toEqual([
        ['a', 2],
        ['b', 2],
      ]);
    });

    it('answers several requests of one client in their order', async () => {
      await using control = await serving(start);
      const answers = await talk(
        control.path,
        '{"id":1,"method":"health"}',
        '{"id":"two","method":"show-macs"}',
      );
      expect(answers).toEqual([
        { id: 1, result: { status: 'ok' } },
        { id: 'two', result: [] },
      ]);
    });

    it.each([
      ['no JSON', 'nonsense', 'VIO_SWITCH_CONTROL'],
      ['no object', '[]', 'VIO_SWITCH_CONTROL'],
      ['no method', '{"id":1}', 'VIO_SWITCH_CONTROL'],
      ['a method there is not', '{"method":"toString"}', 'VIO_SWITCH_CONTROL'],
      ['a field there is not', '{"method":"health","more":1}', 'VIO_SWITCH_CONTROL'],
      ['parameters that are none', '{"method":"show-port","params":{"name":7}}', 'VIO_SWITCH_CONTROL'],
      ['a port there is not', '{"method":"show-port","params":{"name":"x"}}', 'VIO_SWITCH_PORT_MISSING'],
      ['a port that is wrong', '{"method":"add-port","params":{"name":"x"}}', 'VIO_SWITCH_CONFIG'],
      ['a reload without a file', '{"method":"reload"}', 'VIO_SWITCH_CONTROL'],
      ['bytes that are no text', '\u0000\u0001{', 'VIO_SWITCH_CONTROL'],
    ])('answers %s with an error, and goes on', async (_, line, code) => {
      await using control = await serving(start);
      const [wrong, right] = await talk(control.path, line, '{"method":"health"}');
      expect(wrong).toMatchObject({ error: { code, remedy: expect.stringMatching(/./) } });
      expect(right).toEqual({ result: { status: 'ok' } });
    });

    it('ends who sends a line without end', async () => {
      await using control = await serving(start);
      const socket = connect(control.path);
      socket.on('error', () => {});
      socket.write('x'.repeat(100_000));
      let said = '';
      socket.setEncoding('utf8').on('data', (text: string) => (said += text));
      await once(socket, 'close');
      expect(said).toContain('65536 bytes');
    });

    it('sends who comes beyond 64 clients away, and serves the others', async () => {
      await using control = await serving(start);
      const clients: Socket[] = [];
      for (let i = 0; i < 64; i++) {
        const client = connect(control.path);
        await once(client, 'connect');
        clients.push(client);
      }
      const refused = await rejectionOf(callSwitch(control.path, 'health'));
      clients[0].write('{"method":"health"}\n');
      const [answer] = (await once(clients[0], 'data')) as [Buffer];
      for (const client of clients) client.destroy();
      expect([refused.code, JSON.parse(answer.toString())]).toEqual([
        'VIO_SWITCH_CONTROL',
        { result: { status: 'ok' } },
      ]);
    });

    it('that is not there is an error that says so', async () => {
      const reason = await rejectionOf(callSwitch('/nowhere/control.sock', 'health'));
      expect([reason.code, reason.retryable]).toEqual(['VIO_SWITCH_AWAY', true]);
    });
  });
});
