import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFds } from '@vio/test-support';
import { type ControlCommand, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { supportedHashTypes } from '@vio/net/internal';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandedSettings } from '../control/driver-settings.ts';
import { controlFeatures, hashFeatures } from '../type/device-features.ts';
import { VduseState } from './vduse-state.ts';

const features = controlFeatures | hashFeatures | VIRTIO_NET_F_MQ;
const mac = '02:00:00:00:00:07';
const key = Uint8Array.from({ length: 40 }, (_, i) => i);
const commands: ControlCommand[] = [
  { kind: 'rx-mode', mode: 'promiscuous', on: true },
  { kind: 'mac-address', mac },
  { kind: 'mac-table', unicast: [mac], multicast: ['01:00:5e:00:00:01'] },
  { kind: 'vlan-add', id: 7 },
  { kind: 'hash', config: { hashTypes: 1, key } },
  {
    kind: 'rss',
    config: { hashTypes: supportedHashTypes, key, table: [0, 1], unclassified: 0, transmitQueues: 4 },
  },
];

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vio-vduse-state-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const opened = (): VduseState => new VduseState(join(directory, 'made'), 'card', 4, 256);
const kept = (): string => join(directory, 'made/card.json');

describe('what a VDUSE device keeps for a successor', () => {
  it('is what its driver has asked for', () => {
    {
      using state = opened();
      state.keep(commands);
    }
    using state = opened();
    expect(state.commands(features)).toEqual(commands);
    const settings = new CommandedSettings();
    for (const command of state.commands(features)) settings.apply(command);
    expect(settings.commands()).toEqual(commands);
  });

  it('has nothing that the driver may not ask for', () => {
    using state = opened();
    state.keep(commands);
    expect(state.commands(VIRTIO_NET_F_CTRL_VQ)).toEqual([]);
    expect(state.commands(VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ)).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['something else', '{"a":1}'],
    ['entries that are none', '[1,null,[],[1,2],["a","b","c"],[0,0,5],[0.5,0,"AQ=="]]'],
    ['commands that are none', '[[9,9,"AQ=="],[0,0,""],[4,0,"/////w=="]]'],
    ['more than it can be', ' '.repeat((1 << 20) + 1)],
  ])('is nothing where the file holds %s', (_, text) => {
    using state = opened();
    writeFileSync(kept(), text);
    expect(state.commands(features)).toEqual([]);
  });

  it('has a journal for every ring, in either format, which outlives who wrote it', () => {
    {
      using state = opened();
      using journal = state.journal('packed');
      const { buffer, offset } = journal.of(3, 'packed', 256) ?? { buffer: new ArrayBuffer(0), offset: 0 };
      new Uint8Array(buffer)[offset] = 7;
    }
    using state = opened();
    using journal = state.journal('packed');
    const { buffer, offset } = journal.of(3, 'packed', 256) ?? { buffer: new ArrayBuffer(0), offset: 0 };
    expect(new Uint8Array(buffer)[offset]).toBe(7);
    expect(journal.of(4, 'packed', 256)).toBeUndefined();
  });

  it('begins anew with a driver', () => {
    using state = opened();
    state.keep(commands);
    {
      using journal = state.journal('split');
      const { buffer, offset } = journal.of(0, 'split', 256) ?? { buffer: new ArrayBuffer(0), offset: 0 };
      new Uint8Array(buffer)[offset] = 7;
    }
    state.clear();
    using journal = state.journal('split');
    const { buffer, offset } = journal.of(0, 'split', 256) ?? { buffer: new ArrayBuffer(0), offset: 0 };
    expect([new Uint8Array(buffer)[offset], state.commands(features)]).toEqual([0, []]);
  });

  it("is this user's alone, and goes with the device", () => {
    using state = opened();
    state.keep(commands);
    const files = [join(directory, 'made/card.rings'), kept()];
    expect(files.map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600]);
    state.remove();
    expect(files.map((path) => existsSync(path))).toEqual([false, false]);
  });

  it('is not kept through a link, nor where there can be no files', () => {
    const code = expect.objectContaining({ code: 'VIO_VDUSE_STATE' });
    const elsewhere = join(directory, 'elsewhere');
    writeFileSync(elsewhere, 'precious');
    symlinkSync(elsewhere, join(directory, 'card.rings'));
    const before = openFds();
    expect(() => new VduseState(directory, 'card', 4, 256)).toThrow(code);
    expect(() => new VduseState(join(elsewhere, 'below'), 'card', 4, 256)).toThrow(code);
    expect([readFileSync(elsewhere, 'utf8'), openFds() - before]).toEqual(['precious', 0]);
  });
});
