// What a switch shows of its ports to those who look, by a socket of its own.
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { broadcast, codeOfCall, frame, macOf } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type StartNetwork, onThreads } from '../test-support/network.ts';

interface Said {
  readonly greeting: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** Asks once; the greeting comes before the answer. */
async function ask(path: string, request: string): Promise<Said> {
  const socket = connect(path);
  socket.write(`${request}\n`);
  const lines: object[] = [];
  for await (const line of createInterface({ input: socket })) {
    lines.push(JSON.parse(line) as object);
    if (lines.length === 2) break;
  }
  socket.destroy();
  return { greeting: lines[0], ...lines[1] };
}

async function watched(start: StartNetwork, ports: Readonly<Record<string, object>>) {
  const network = await start(ports);
  const { path } = network.fabric.serveTelemetry(join(network.directory, 'telemetry.sock'), {
    about: { command: 'test' },
  });
  return {
    network,
    path,
    ask: async (method: string) => (await ask(path, method)).result,
    [Symbol.asyncDispose]: () => network[Symbol.asyncDispose](),
  };
}

onThreads((start) => {
  describe('the telemetry of a switch', () => {
    it('greets, and tells what its ports count and how full their rings are', async () => {
      await using seen = await watched(start, { a: {}, b: {} });
      await seen.network.send('a', frame(broadcast, macOf(1)));
      const { greeting } = await ask(seen.path, '/info');
      const { ports } = (await seen.ask('/vio/snapshot')) as { ports: object[] };
      expect(greeting).toMatchObject({ command: 'test', protocol: 1, pid: process.pid });
      expect(await seen.ask('/ethdev/list')).toEqual([0, 1]);
      expect(await seen.ask('/ethdev/xstats,1')).toMatchObject({ switch_tx_frames: 1 });
      expect(ports).toMatchObject([
        {
          id: 0,
          name: 'a',
          kind: 'switch port',
          link: { status: 'UP' },
          rings: [{ size: 256 }, { size: 256 }],
        },
        { id: 1, name: 'b' },
      ]);
      expect(await seen.ask('/vio/dump,0')).toMatchObject([{ inFlight: expect.any(Number) }, {}]);
    });

    it('keeps the number of a port, and tells of those that come, change and go', async () => {
      await using seen = await watched(start, { a: {} });
      const { network } = seen;
      const socket = network.socket('b');
      await network.fabric.addPort({ name: 'b', bridge: 'br', socket });
      await network.connect('b');
      await network.disconnect('b');
      await network.fabric.deletePort('b');
      await network.fabric.addPort({ name: 'b', bridge: 'br', socket });
      const { events } = (await seen.ask('/vio/events,0')) as {
        events: { port: number; type: string; data: { up?: boolean } }[];
      };
      expect(await seen.ask('/ethdev/list')).toEqual([0, 2]);
      expect(events.map(({ port, type, data }) => [port, type, data.up])).toEqual([
        [0, 'added', undefined],
        [1, 'added', undefined],
        [1, 'link', true],
        [1, 'link', false],
        [1, 'removed', undefined],
        [2, 'added', undefined],
      ]);
    });

    it('changes nothing, and knows its options', async () => {
      await using seen = await watched(start, { a: {} });
      expect(await seen.ask('/vio/control,0')).toEqual([]);
      const { error } = await ask(seen.path, '/vio/control,0,stats-reset');
      expect(error).toMatchObject({ code: 'VIO_TELEMETRY_READ_ONLY' });
      const misspelt: object = { mode: 0o660 };
      expect(codeOfCall(() => seen.network.fabric.serveTelemetry('/nowhere/x', misspelt))).toBe(
        'VIO_OPTION_UNKNOWN',
      );
    });

    it('ends with the switch', async () => {
      await using seen = await watched(start, { a: {} });
      await seen.network.stop();
      expect(existsSync(seen.path)).toBe(false);
    });
  });
});
