// A backend that hands its frontends to a vDPA device which is a loopback, with a driver on it.
import { SharedMemory } from '@vio/native';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { until } from '@vio/test-support';
import { expect } from 'vitest';
import { LoopbackVdpa, type LoopbackVdpaOptions, type ScriptedFrontend } from '../testing/index.ts';
import { VHOST_F_LOG_ALL, frontendRequests as requests } from '../wire/index.ts';
import { Guest, type GuestOptions } from './guest.ts';
import { packet, sendFrom, supply } from './packets.ts';
import { TestBackend, handled } from './test-backend.ts';

const page = 4096;
const guestBase = 0x1_0000_0000;
const logBytes = (guestBase + 0x40_0000) / page / 8;

/** A backend whose device is a loopback, and a driver on it. */
export interface VdpaSetUp extends AsyncDisposable {
  readonly backend: TestBackend;
  readonly device: LoopbackVdpa;
  readonly guest: Guest;
  readonly frontend: ScriptedFrontend;
}

/** A backend whose device that is, and which listens. */
export async function backendOf(device: LoopbackVdpa): Promise<TestBackend> {
  const backend = new TestBackend();
  backend.driver.attachVdpaDevice(device);
  await backend.driver.start();
  return backend;
}

/** Has a device wait before it begins. @returns what lets it begin */
export function heldBack(device: LoopbackVdpa): () => void {
  let begin = (): void => {};
  device.onConfigure = () => new Promise((resolve) => (begin = resolve));
  return () => begin();
}

/** Such a backend, whose driver has started. */
export async function setUpVdpa(
  options: LoopbackVdpaOptions = {},
  guestOptions: GuestOptions = {},
  device = new LoopbackVdpa(options),
): Promise<VdpaSetUp> {
  const backend = await backendOf(device);
  const frontend = await backend.connect();
  const guest = new Guest(guestOptions);
  await guest.start(frontend);
  return {
    backend,
    device,
    guest,
    frontend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      guest[Symbol.dispose]();
    },
  };
}

let seed = 0;

/** A packet that goes out comes back. @returns guest address of the buffer it is in */
export async function echo({ guest }: Pick<VdpaSetUp, 'guest'>): Promise<number> {
  const [rx, tx] = guest.rings;
  const bytes = packet(60 + (seed % 100), seed++);
  const address = supply(rx, 2048);
  guest.kicks[0].signal();
  sendFrom(tx, bytes);
  guest.kicks[1].signal();
  let used: readonly { length: number }[] = [];
  await until(() => (used = [...used, ...rx.used()]).length > 0);
  expect(used).toEqual([expect.objectContaining({ length: 12 + bytes.length })]);
  expect(rx.memory.read(address + 12, bytes.length)).toEqual(bytes);
  await until(() => tx.used().length > 0);
  return address;
}

export const packed = {
  features: VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED,
  ring: { format: 'packed' },
} as const;
export const split = {} satisfies GuestOptions;

/** Its guest is moved from now on. @returns the log of that */
export async function moved({
  frontend,
  guest,
}: VdpaSetUp): Promise<{ marked(address: number): boolean } & Disposable> {
  const memory = SharedMemory.create({ size: logBytes, name: 'vio-test-log', populate: false });
  await frontend.ask(requests.SET_LOG_BASE, { size: logBytes, offset: 0 }, { fds: [memory.fd] });
  await frontend.send(requests.SET_FEATURES, guest.features | VHOST_F_LOG_ALL);
  await handled(frontend);
  const u8 = new Uint8Array(memory.buffer);
  return {
    marked(address) {
      const bit = Math.floor(address / page);
      return (Atomics.and(u8, bit >> 3, ~(1 << (bit & 7))) & (1 << (bit & 7))) !== 0;
    },
    [Symbol.dispose]: () => memory.close(),
  };
}
