import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SharedMemory } from './memory/shared-memory.ts';
import { UnixListener } from './sockets/unix-listener.ts';
import { UnixStream } from './sockets/unix-stream.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-waiting-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** As JavaScript lets one write. */
const misspelt: object = { timout: 1 };

describe('how long a call may take, misspelt', () => {
  it.each<[string, (stream: UnixStream) => Promise<unknown>]>([
    ['UnixStream.connect', () => UnixStream.connect('/nowhere', misspelt)],
    ['UnixStream.readable', (stream) => stream.readable(misspelt)],
    ['UnixStream.send', (stream) => stream.send(new Uint8Array(1), [], misspelt)],
    [
      'UnixListener.accept',
      async () => {
        const listener = UnixListener.listen(join(directory, 'socket'));
        try {
          await listener.accept(misspelt);
        } finally {
          listener.close();
        }
      },
    ],
  ])('is refused, and nothing is done: %s', async (where, call) => {
    const [near, far] = UnixStream.pair();
    try {
      await expect(call(near)).rejects.toMatchObject({
        code: 'VIO_OPTION_UNKNOWN',
        message: `${where} has no option "timout"`,
        remedy: 'the options are timeout, signal',
      });
      expect(far.receive(new Uint8Array(1))).toBe(undefined);
    } finally {
      near.close();
      far.close();
    }
  });
});

it('a mapping has no other options than it says', () => {
  using memory = SharedMemory.create({ size: 4096 });
  const given = Object.assign({ size: 4096 }, { ofset: 4096 });
  expect(() => SharedMemory.map(memory.fd, given)).toThrow(
    expect.objectContaining({ code: 'VIO_OPTION_UNKNOWN' }),
  );
});
