// What `vio inspect` tells.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Vio, jsonLines, listeningBackend, vio } from './vio.ts';

describe('inspect --features', () => {
  it('names the bits of a mask, one per line', async () => {
    expect(await vio('inspect', '--features', '0x130008000')).toEqual({
      exitCode: 0,
      stdout: 'MRG_RXBUF\nINDIRECT_DESC\nEVENT_IDX\nVERSION_1\n',
      stderr: '',
    });
  });

  it('takes decimal digits as well', async () => {
    expect((await vio('inspect', '--features', '32768')).stdout).toBe('MRG_RXBUF\n');
  });

  it('gives JSON', async () => {
    expect(jsonLines(await vio('inspect', '--features', '0x100000001', '--json'))).toEqual([
      { type: 'features', mask: '0x100000001', features: ['CSUM', 'VERSION_1'] },
    ]);
  });
});

describe('inspect of a port', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-inspect-'));
  const socket = join(directory, 'vhost.sock');
  let backend: Vio;

  beforeAll(async () => {
    backend = await listeningBackend([socket]);
  });
  afterAll(async () => {
    await backend.interrupt();
    rmSync(directory, { recursive: true });
  });

  it('names the negotiated features', async () => {
    const { stdout } = await vio('inspect', `path=${socket},in_order=0,mrg_rxbuf=0`);
    expect(stdout).toMatch(/^features 0x[0-9a-f]+: MAC STATUS INDIRECT_DESC VERSION_1 RING_RESET$/m);
  });

  it('gives the elected paths, and the reason against each other', async () => {
    const { stdout } = await vio('inspect', `path=${socket},packed_vq=1,in_order=0`);
    expect(stdout).toContain(
      'Rx: packed mergeable (virtio_recv_mergeable_pkts_packed), moved in C++: RING_PACKED, no IN_ORDER, MRG_RXBUF\n',
    );
    expect(stdout.match(/^Rx not .+: .+$/gm)).toHaveLength(9);
    expect(stdout.match(/^Tx not .+: .+$/gm)).toHaveLength(4);
    expect(stdout).toContain('Rx not packed non-mergeable: MRG_RXBUF negotiated\n');
  });

  it('gives the state of every ring', async () => {
    const { stdout } = await vio('inspect', `path=${socket},queues=2,queue_size=64`);
    expect(stdout.match(/^(receive|transmit)q\d.*$/gm)).toEqual([
      'receiveq0: split, 64 descriptors, 64 held by the device',
      'transmitq0: split, 64 descriptors, 0 held by the device',
      'receiveq1: split, 64 descriptors, 64 held by the device',
      'transmitq1: split, 64 descriptors, 0 held by the device',
    ]);
  });

  it('gives JSON with the same in it', async () => {
    const [port] = jsonLines(await vio('inspect', `path=${socket}`, '--json'));
    expect(port).toMatchObject({
      type: 'port',
      mask: '0x10910018020',
      features: ['MAC', 'MRG_RXBUF', 'STATUS', 'INDIRECT_DESC', 'VERSION_1', 'IN_ORDER', 'RING_RESET'],
      paths: {
        rx: { path: 'split in-order mergeable', callback: 'virtio_recv_pkts_inorder' },
        tx: { path: 'split in-order Tx', refused: expect.arrayContaining([expect.anything()]) },
      },
      rings: [
        { name: 'receiveq0', format: 'split', size: 256, outstanding: 256, broken: null },
        { name: 'transmitq0', format: 'split', size: 256, outstanding: 0, broken: null },
      ],
    });
  });

  it.each([0, 1])('dumps every ring with --rings (packed_vq=%i)', async (packed) => {
    const { stdout } = await vio('inspect', `path=${socket},queue_size=64,packed_vq=${packed}`, '--rings');
    expect(stdout).toMatch(/^receiveq0: (split|packed), 64 descriptors.*, 64 in flight$/m);
    expect(stdout.match(/^  in flight \d+: \[\d+\] 0x[0-9a-f]+ 2060 bytes WRITE/gm)).toHaveLength(16);
    expect(stdout).toContain('  and 48 more in flight\n');
  });

  it('dumps them as JSON', async () => {
    const [, receive, transmit] = jsonLines(await vio('inspect', `path=${socket}`, '--rings', '--json'));
    expect([receive, transmit]).toMatchObject([
      { type: 'ring', name: 'receiveq0', size: 256, inFlight: 256, availableIndex: 256, usedIndex: 0 },
      {
        type: 'ring',
        name: 'transmitq0',
        inFlight: 0,
        listed: [],
        deviceEvents: { meaning: expect.stringMatching(/abled$/) },
      },
    ]);
  });
});
