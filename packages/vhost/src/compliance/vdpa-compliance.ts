import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VioError } from '@vio/native';
import { type DevicePort, openPort } from '@vio/net';
import {
  type ComplianceRunner,
  describeDeviceCompliance,
  exchangeFrames,
  uniqueFrame,
} from '@vio/net/testing';
import { VIRTIO_F_RING_PACKED } from '@vio/rings';
import { VhostDriver } from '../backend/driver/vhost-driver.ts';
import type { VdpaDevice } from '../backend/vdpa/vdpa-device.ts';
import { FrontendDevice, VhostUserFrontend } from '../frontend/index.ts';
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../wire/index.ts';

/** A fresh vDPA device, whose other end sends back every frame it takes, on the queue pair it came from. */
export interface VdpaUnderTest {
  /** The device, attached nowhere. The suite attaches and detaches it. */
  readonly device: VdpaDevice;
  /** Has the device end by itself, as when it is pulled out; undefined: nothing here can have it do that. */
  readonly end?: (() => void) | undefined;
  /** Gives the device back, after it was detached. */
  close?(): void | Promise<void>;
}

/** Makes a device; each test asks for one. */
export type VdpaFactory = () => VdpaUnderTest | Promise<VdpaUnderTest>;

const patience = 5000;
const bytes = 60;

/** A backend that hands its frontends to a vDPA device. */
class VdpaBackend implements AsyncDisposable {
  readonly driver: VhostDriver;
  readonly under: VdpaUnderTest;
  /** Why connections ended, by code. */
  readonly ended: string[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'vio-vdpa-'));

  static async start(create: VdpaFactory): Promise<VdpaBackend> {
    const backend = new VdpaBackend(await create());
    await backend.driver.start();
    return backend;
  }

  private constructor(under: VdpaUnderTest) {
    this.under = under;
    this.driver = VhostDriver.register(join(this.#directory, 'vhost.sock'));
    this.driver.attachVdpaDevice(under.device);
    this.driver.callbacks({ destroyConnection: (_, { code }) => void this.ended.push(code) });
  }

  async connect(): Promise<FrontendDevice> {
    return new FrontendDevice(await VhostUserFrontend.connect(this.driver.path));
  }

  async port(packed = false): Promise<DevicePort> {
    return openPort(await this.connect(), { packed });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
    await this.under.close?.();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Declares the suite that every `VdpaDevice` passes: ports whose backend hands them to it pass the suite of devices, it lets go of
 * a frontend whatever ends, and says by name what does not work.
 *
 * ```ts
 * import { describe, it } from 'vitest';
 * describeVdpaCompliance('my card', () => ({ device: new MyVdpaDevice() }), { describe, it });
 * ```
 */
export function describeVdpaCompliance(name: string, create: VdpaFactory, runner: ComplianceRunner): void {
  const { describe, it } = runner;
  const behind = async () => {
    const backend = await VdpaBackend.start(create);
    const { end } = backend.under;
    return { device: await backend.connect(), end, close: () => backend[Symbol.asyncDispose]() };
  };
  describeDeviceCompliance(`${name}, behind vhost-user`, behind, runner);
  describe(`${name}, as a vDPA device`, () => {
    it('is offered with what it and the library can do, and no more', () => offersBoth(create));
    it('carries frames in every format that it offers, for one frontend after the other', () =>
      carries(create));
    it('goes on where it was when memory is added', () => growsMemory(create));
    it('goes on where it was when all of the memory is announced anew', () => renewsMemory(create));
    it('serves one frontend at a time, and refuses others by name', () => servesOne(create));
    it('lets go when it is detached, and serves again when it is attached', () => detaches(create));
    it('tells why it ended, to whom it serves and who comes after', () => endsByItself(create));
  });
}

async function offersBoth(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  const { device } = backend.under;
  const frontend = await VhostUserFrontend.connect(backend.driver.path);
  const offered = await frontend.getFeatures();
  assert.equal(offered & ~(device.features | VHOST_USER_F_PROTOCOL_FEATURES | (1n << 26n)), 0n);
  assert.equal(frontend.protocolFeatures & ~device.protocolFeatures, 0n);
  assert.ok((await frontend.queueNum()) <= device.queueNum);
  assert.equal(device.deviceType, 1);
  frontend.close();
}

async function carries(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  const formats = (backend.under.device.features & VIRTIO_F_RING_PACKED) === 0n ? [false] : [false, true];
  for (const packed of [...formats, ...formats]) {
    await using port = await backend.port(packed);
    await echo(port, 2 * port.tx[0].queue.size + 1);
  }
}

async function growsMemory(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  await using port = await openPort(await backend.connect(), {
    packed: false,
    memory: { maxBuffers: 8192 },
  });
  await echo(port, 20);
  // From now on there are buffers in the new memory only.
  const old = port.burst(port.pool.free);
  old.allocate(port.pool, port.pool.free, 0);
  assert.ok((await port.growPool(2048)) > 0);
  await echo(port, 2 * port.tx[0].queue.size + 1);
  old.release();
}

async function renewsMemory(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  const frontend = await VhostUserFrontend.connect(backend.driver.path);
  let again = (): Promise<void> => Promise.resolve();
  const setMemTable = frontend.setMemTable.bind(frontend);
  frontend.setMemTable = (regions, wait) => {
    again = () => setMemTable(regions, wait);
    return again();
  };
  await using port = await openPort(new FrontendDevice(frontend), { packed: false });
  for (let round = 0; round < 3; round++) {
    await echo(port, 20);
    await again();
  }
  await echo(port, 2 * port.tx[0].queue.size + 1);
}

async function servesOne(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  await using port = await backend.port();
  await assert.rejects(backend.port());
  assert.deepEqual(backend.ended, ['VIO_VDPA_BUSY']);
  await echo(port, 20);
}

async function detaches(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  const { driver, under } = backend;
  for (let round = 0; round < 2; round++) {
    await using port = await backend.port();
    await echo(port, 20);
    await driver.detachVdpaDevice();
    assert.deepEqual(backend.ended.splice(0), ['VIO_VDPA_DETACHED']);
    assert.equal(driver.vdpaDevice, undefined);
    driver.attachVdpaDevice(under.device);
    assert.throws(() => driver.attachVdpaDevice(under.device), { code: 'VIO_VDPA_ATTACHED' });
  }
  await using port = await backend.port();
  await echo(port, 20);
}

async function endsByItself(create: VdpaFactory): Promise<void> {
  await using backend = await VdpaBackend.start(create);
  const { end, device } = backend.under;
  if (end === undefined) return;
  await using port = await backend.port();
  await echo(port, 20);
  end();
  await soon(() => backend.ended.length > 0, 'the connection ends');
  assert.ok(VioError.is(device.down));
  await assert.rejects(backend.port());
  assert.deepEqual(backend.ended, [device.down.code, device.down.code]);
}

/** So many frames go out and come back as they were. */
function echo(port: DevicePort, count: number): Promise<void> {
  return exchangeFrames(
    port,
    Array.from({ length: count }, () => uniqueFrame(port, bytes)),
  );
}

async function soon(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + patience; !condition();) {
    if (Date.now() > end) throw new Error(`${what}: not within ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
