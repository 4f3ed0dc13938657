// A thread of a switch whose other threads are not there: what it sends to them stays where it is.
import { join } from 'node:path';
import { broadcast, frame, macOf, scratchDirectory, until } from '@vio/test-support';
import { openVirtioUser } from '@vio/virtio-user';
import { describe, expect, it } from 'vitest';
import { parsePort } from '../config/schema.ts';
import { MacTable } from '../fabric/mac-table.ts';
import { counterRecord, portCounterNames } from '../fabric/port-counters.ts';
import { LocalThread } from './local-thread.ts';
import { TrunkMemory, trunkSlots } from './trunk-memory.ts';

const memory = (): SharedArrayBuffer => new SharedArrayBuffer(8 * portCounterNames.length);

describe('a thread whose neighbour takes nothing', () => {
  it('goes on, drops what the way there has no room for, and counts every frame of it', async () => {
    using from = TrunkMemory.create();
    using to = TrunkMemory.create();
    const [trunk, own] = [memory(), memory()];
    const counted = (of: SharedArrayBuffer) => counterRecord(new Float64Array(of));
    const thread = new LocalThread(0, [{ thread: 1, from, to, counters: new Float64Array(trunk) }], {
      changed: () => {},
      trouble: () => {},
    });
    const socket = join(scratchDirectory('thread'), 'a.sock');
    await thread.do({ kind: 'bridge', name: 'br', id: 0, memory: new MacTable().memory });
    await thread.do({ kind: 'place', port: 7, bridge: 'br', thread: 1 });
    await thread.do({
      kind: 'open',
      port: 0,
      config: parsePort({ name: 'a', bridge: 'br', socket }),
      counters: own,
    });
    await using host = await openVirtioUser({ path: socket });
    const all = trunkSlots + 100;
    for (let i = 0; i < all; i++) await host.send(frame(broadcast, macOf(1)));
    await until(() => counted(own).rx_frames === all);
    await until(() => counted(trunk).dropped_full_frames === 100);
    expect([to.waiting, counted(trunk)]).toEqual([
      trunkSlots,
      expect.objectContaining({ tx_frames: trunkSlots, dropped_full_frames: 100 }),
    ]);
    await thread.do({ kind: 'close', port: 0 });
    await thread.end();
  });
});
