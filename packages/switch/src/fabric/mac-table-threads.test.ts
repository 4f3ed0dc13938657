// The address table with real threads: what they share is memory, and only a thread shows what one that ends leaves in it.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type MacEntry, MacTable } from './mac-table.ts';

const entry = new URL('../../dist/internal.js', import.meta.url).href;

/** A thread with the table of the built package. It says `true` when the body has begun, and what the body returns. */
function threadOn(table: MacTable, thread: number, body: string): Worker {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.entry).then(({ MacTable }) => {
      const table = MacTable.of(workerData.memory, ${thread});
      parentPort.postMessage(true);
      parentPort.postMessage((() => { ${body} })());
    });`;
  return new Worker(program, { eval: true, execArgv: [], workerData: { entry, memory: table.memory } });
}

/** What a thread says next. */
async function said(worker: Worker): Promise<unknown> {
  const [value] = (await once(worker, 'message')) as unknown[];
  return value;
}

/** A thread that stands still in the midst of learning 0 on a port, for ever. */
async function stopped(table: MacTable, thread: number, port: number): Promise<Worker> {
  // The time is asked for where the address is written down.
  const worker = threadOn(
    table,
    thread,
    `table.learn(0, 0, ${port}, {
      valueOf() {
        parentPort.postMessage('within');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      },
    });`,
  );
  for (let word: unknown; word !== 'within';) word = await said(worker);
  return worker;
}

const name = ({ vlan, mac }: MacEntry): string => `${vlan} ${mac}`;

describe('threads that learn in one table', () => {
  it('leave no address twice, and count what they have', async () => {
    const table = new MacTable({ capacity: 64 });
    // Addresses that both hear, more than there is room for.
    const body = (port: number): string => `
      let unlearned = 0;
      for (let i = 0; i < 300_000; i++) if (!table.learn(0, (i * ${port}) % 97, ${port}, i >> 12)) unlearned++;
      return unlearned;`;
    const workers = [1, 2].map((port) => threadOn(table, port, body(port)));
    const unlearned = await Promise.all(
      workers.map(async (worker) => {
        await said(worker);
        return said(worker);
      }),
    );
    const known = table.entries(0);
    expect(new Set(known.map(name)).size).toBe(known.length);
    expect(known.every(({ port }) => port === 1 || port === 2)).toBe(true);
    expect([table.size, table.forget(1) + table.forget(2), table.size]).toEqual([
      known.length,
      known.length,
      0,
    ]);
    // They wait for each other's bursts of a few stores; nothing else is lost to that.
    expect(Math.max(...unlearned.map(Number))).toBeLessThan(300_000);
  });
});

describe('a thread that stands still while it learns', () => {
  it('keeps nobody waiting: what is known is found, what has moved is nobody’s, what has gone is forgotten', async () => {
    const table = new MacTable({ capacity: 4 });
    table.learn(0, 1, 1, 0);
    table.learn(0, 2, 1, 0);
    const worker = await stopped(table, 1, 3);
    expect([table.learn(0, 3, 2, 0), table.lookup(0, 3, 0)]).toEqual([false, -1]);
    expect([table.learn(0, 1, 1, 0), table.lookup(0, 1, 0)]).toEqual([true, 1]);
    expect([table.learn(0, 1, 2, 0), table.lookup(0, 1, 0)]).toEqual([false, -1]);
    expect([table.forget(1), table.lookup(0, 2, 0)]).toEqual([1, -1]);
    await worker.terminate();
  });

  it('keeps from the others what is beside its address, and nothing else', async () => {
    const table = new MacTable();
    const worker = await stopped(table, 1, 3);
    let unlearned = 0;
    for (let low = 1; low <= 20_000; low++) if (!table.learn(0, low, low & 63, 0)) unlearned++;
    // One bucket of 2048.
    expect(unlearned).toBeLessThan(200);
    await worker.terminate();
  });

  it('and ends has what it held taken from it, by its number alone', async () => {
    const table = new MacTable({ capacity: 4 });
    table.learn(0, 1, 1, 0);
    const worker = await stopped(table, 1, 3);
    await worker.terminate();
    expect([table.release(2), table.learn(0, 2, 2, 0)]).toEqual([0, false]);
    expect([table.release(1), table.release(1)]).toEqual([1, 0]);
    expect([table.entries(0), table.size]).toEqual([[], 0]);
    expect([table.learn(0, 2, 2, 0), table.lookup(0, 2, 0)]).toEqual([true, 2]);
  });
});

describe('a thread that is ended at any moment', () => {
  it('leaves a table that learns and forgets as before', async () => {
    const table = new MacTable({ capacity: 64, perPort: 60 });
    for (let round = 1; round <= 5; round++) {
      const worker = threadOn(table, 1, 'for (let i = 0; ; i++) table.learn(0, i % 1000, 1, i >> 8);');
      await said(worker);
      const before = JSON.stringify(table.entries(0));
      await until(() => JSON.stringify(table.entries(0)) !== before);
      await worker.terminate();
      table.release(1);
      table.forget();
      expect(table.entries(0)).toEqual([]);
      // It may have counted one that is not there yet.
      expect([table.size >= 0, table.size <= round]).toEqual([true, true]);
      const unlearned = Array.from({ length: 1000 }, (_, low) => table.learn(0, low, 2, 0)).filter(
        (learned) => !learned,
      );
      expect(unlearned).toEqual([]);
      expect(table.forget(2)).toBe(60);
    }
  });
});
