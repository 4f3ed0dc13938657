// A kubelet of our own speaks the real protocol over the real sockets.
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientReadableStream,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  credentials,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { VioSwitch, parseConfig, serveControl } from '@vio/switch';
import { turns, until } from '@vio/test-support';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DevicePlugin } from './device-plugin.ts';
import { type ContainerAllocateResponse, type Device, type RegisterRequest, services } from './protocol.ts';

let directory: string;
const at = (file: string): string => join(directory, file);

/** As much of a kubelet as device plugins see. */
class Kubelet {
  readonly registered: RegisterRequest[] = [];
  /** Plugins are refused. */
  refuses = false;
  #server: Server | undefined;

  async start(): Promise<void> {
    const server = new Server();
    server.addService(services().Registration.service, {
      Register: (call: ServerUnaryCall<RegisterRequest, object>, answer: sendUnaryData<object>) => {
        this.registered.push(call.request);
        if (this.refuses) answer({ code: status.UNAVAILABLE, details: 'not now' });
        else answer(null, {});
      },
    });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${at('plugins/kubelet.sock')}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    this.#server = server;
  }

  /** As a kubelet that is started anew, it removes all sockets. */
  stop(): void {
    this.#server?.forceShutdown();
    for (const file of ['kubelet.sock', 'vio.sock']) rmSync(at(`plugins/${file}`), { force: true });
  }
}

let kubelet: Kubelet;
let plugin: DevicePlugin;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vio-kubelet-'));
  mkdirSync(at('plugins'));
  kubelet = new Kubelet();
  await kubelet.start();
  plugin = await DevicePlugin.start({
    directory: at('plugins'),
    socketDir: at('ports'),
    control: at('control.sock'),
    ports: 3,
  });
});
afterEach(async () => {
  await plugin[Symbol.asyncDispose]();
  kubelet.stop();
  rmSync(directory, { recursive: true, force: true });
});

function client() {
  const { DevicePlugin: Client } = services();
  return new Client(`unix:${at('plugins/vio.sock')}`, credentials.createInsecure());
}

function ask<T>(method: string, request: object): Promise<T> {
  const one = client();
  return new Promise<T>((resolve, reject) => {
    const call = one[method] as (
      request: object,
      answer: (error: ServiceError | null, value: T) => void,
    ) => void;
    call.call(one, request, (error, value) => {
      one.close();
      if (error === null) resolve(value);
      else reject(error);
    });
  });
}

describe('the device plugin', () => {
  it('registers its resource', () => {
    expect(kubelet.registered).toMatchObject([
      { version: 'v1beta1', endpoint: 'vio.sock', resource_name: 'vio.dev/port' },
    ]);
  });

  it('registers again with a kubelet that starts anew', async () => {
    kubelet.stop();
    await kubelet.start();
    await until(() => kubelet.registered.length === 2);
    expect([kubelet.registered.length, existsSync(at('plugins/vio.sock'))]).toEqual([2, true]);
  });

  it('asks a kubelet that refuses once more at each retry, however much happens beside its socket', async () => {
    await plugin[Symbol.asyncDispose]();
    kubelet.registered.length = 0;
    kubelet.refuses = true;
    const said: string[] = [];
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    const seen = watch(at('plugins'));
    try {
      plugin = await DevicePlugin.start({ directory: at('plugins'), log: (line) => said.push(line) });
      for (let retries = 1; retries <= 3; retries++) {
        for (let i = 0; i < 10; i++) {
          writeFileSync(at(`plugins/other-${retries}-${i}`), '');
          await once(seen, 'change');
          await ask('PreStartContainer', { devices_ids: [] });
        }
        expect(kubelet.registered).toHaveLength(retries);
        vi.advanceTimersByTime(1000);
        while (kubelet.registered.length === retries) await turns(1);
      }
      expect(said).toEqual(['not registered yet: 14 UNAVAILABLE: not now']);
    } finally {
      seen.close();
      vi.useRealTimers();
    }
  });

  it('tells of its ports, and of their health, which is the switch’s', async () => {
    const one = client();
    const list = one['ListAndWatch'] as (request: object) => ClientReadableStream<{ devices: Device[] }>;
    const seen: Device[][] = [];
    const stream = list.call(one, {});
    stream.on('data', ({ devices }) => seen.push(devices)).on('error', () => {});
    await until(() => seen.length === 1);
    expect(seen[0].map(({ ID, health }) => [ID, health])).toEqual([
      ['port-0', 'Unhealthy'],
      ['port-1', 'Unhealthy'],
      ['port-2', 'Unhealthy'],
    ]);
    await using fabric = await VioSwitch.start(parseConfig({ bridges: [{ name: 'br0' }] }));
    await using control = serveControl(at('control.sock'), {
      fabric,
      reload: undefined,
      health: () => ({}),
    });
    expect(control.path).toBe(at('control.sock'));
    await until(() => seen.length === 2);
    stream.cancel();
    one.close();
    expect(seen[1]?.map(({ health }) => health)).toEqual(['Healthy', 'Healthy', 'Healthy']);
  });

  it('gives a container a directory of its own', async () => {
    const answer = await ask<{ container_responses: ContainerAllocateResponse[] }>('Allocate', {
      container_requests: [{ devices_ids: ['port-1'] }, { devices_ids: ['port-0', 'port-2'] }],
    });
    expect(answer.container_responses).toMatchObject([
      {
        mounts: [{ host_path: at('ports/port-1'), container_path: '/run/vio', read_only: false }],
        envs: { VIO_PORTS: 'port-1' },
      },
      { mounts: [{ container_path: '/run/vio/port-0' }, { container_path: '/run/vio/port-2' }] },
    ]);
    expect(existsSync(at('ports/port-1'))).toBe(true);
  });

  it.each(['port-3', '../etc', 'port-01', ''])('refuses port %j, and makes nothing', async (id) => {
    const refused = await ask('Allocate', { container_requests: [{ devices_ids: [id] }] }).catch(
      (error: ServiceError) => error.code,
    );
    expect([refused, existsSync(at('ports'))]).toEqual([3, false]);
  });

  it('answers what the kubelet may ask besides', async () => {
    expect(await ask('GetDevicePluginOptions', {})).toMatchObject({ pre_start_required: false });
    expect(await ask('PreStartContainer', { devices_ids: ['port-0'] })).toEqual({});
  });

  it('leaves no socket when it ends', async () => {
    await plugin[Symbol.asyncDispose]();
    expect(existsSync(at('plugins/vio.sock'))).toBe(false);
  });
});
