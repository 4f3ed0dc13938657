import { constants, accessSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { WaitOptions } from '@vio/native';
import { checkSocketPath, fileKind } from '@vio/native/internal';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF, featureNames } from '@vio/net';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { type VhostTransport, VhostUserFrontend } from '@vio/vhost';
import { VhostNetTransport, VhostVdpaTransport } from '@vio/vhost-kernel';
import { openVirtioUser } from '@vio/virtio-user';
import { type Finding, fromError, note, ok, problem } from './finding.ts';

/** The path, who may use it, and what is behind it. Each check goes on only where the one before found nothing wrong. */
export async function checkBackend(path: string, wait: WaitOptions): Promise<Finding[]> {
  const findings = checkPath(path);
  if (findings.some(({ status }) => status === 'problem')) return findings;
  if (fileKind(path) === 'missing') return findings;
  findings.push(...checkAccess(path));
  if (findings.some(({ status }) => status === 'problem')) return findings;
  findings.push(...(await checkConversation(path, wait)));
  if (findings.some(({ status }) => status === 'problem') || fileKind(path) !== 'socket') return findings;
  return [...findings, await checkStart(path, wait)];
}

function checkPath(path: string): Finding[] {
  try {
    checkSocketPath(path);
  } catch (error) {
    return [fromError('path', error)];
  }
  const kind = fileKind(path);
  if (kind === 'socket') {
    return [
      ok('path', `${path} is a socket`),
      ok('role', 'the backend listens there: the port connects (server=0, the default)'),
    ];
  }
  if (kind === 'character-device') return [ok('path', `${path} is a device: the kernel is the backend`)];
  if (kind !== 'missing') {
    return [problem('path', `${path} is a ${kind}, no socket and no device`, 'give the path of the backend')];
  }
  const directory = dirname(path);
  if (fileKind(directory) !== 'directory') {
    return [
      problem('path', `there is no directory ${directory}`, 'create it, or mount it into this container'),
    ];
  }
  if (directory === '/dev') {
    const remedy = 'load the module that makes it (modprobe vhost_net), or hand it to this container';
    return [problem('path', `there is no device ${path}`, remedy)];
  }
  return [
    note('path', `there is nothing at ${path} yet`),
    note(
      'role',
      'nobody listens: either side can',
      'start the backend as the server, or let the port listen (server=1) and the backend connect',
    ),
    checkDirectory(directory),
  ];
}

/** Whoever listens has to make the socket. */
function checkDirectory(directory: string): Finding {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return ok('permission', `this user may make a socket in ${directory}`);
  } catch {
    return note(
      'permission',
      `this user (${process.getuid?.() ?? '?'}) may not make a socket in ${directory}: ${rights(directory)}`,
      'let the backend listen, give this user write permission there, or mount the directory writable',
    );
  }
}

function rights(path: string): string {
  const { uid, gid, mode } = statSync(path);
  return `owner ${uid}, group ${gid}, mode ${(mode & 0o777).toString(8)}`;
}

function checkAccess(path: string): Finding[] {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return [ok('permission', 'this user may use it')];
  } catch {
    return [
      problem(
        'permission',
        `this user (${process.getuid?.() ?? '?'}) may not use it: ${rights(path)}`,
        'run as its owner or in its group, or have the backend create it with other rights',
      ),
    ];
  }
}

async function checkConversation(path: string, wait: WaitOptions): Promise<Finding[]> {
  let transport: VhostTransport;
  try {
    transport = await connect(path, wait);
  } catch (error) {
    return [fromError('connection', error)];
  }
  try {
    await transport.setOwner(wait);
    const features = await transport.getFeatures(wait);
    return [
      ok('connection', 'the backend answers'),
      ...describeFeatures(features),
      describeQueues(features, await transport.queueNum(wait)),
      describeRegions(transport),
      await describeMtu(transport, features, wait),
    ];
  } catch (error) {
    return [fromError('conversation', error)];
  } finally {
    transport.close();
  }
}

async function connect(path: string, wait: WaitOptions): Promise<VhostTransport> {
  if (fileKind(path) === 'socket') return VhostUserFrontend.connect(path, wait);
  if (/vhost-vdpa/.test(path)) return VhostVdpaTransport.open({ path }, wait);
  return VhostNetTransport.open({ path, queues: 1 });
}

function describeQueues(features: bigint, pairs: number): Finding {
  if ((features & VIRTIO_NET_F_MQ) !== 0n || pairs > 1) return ok('queues', `up to ${pairs} queue pairs`);
  const remedy =
    'leave queues at 1, or configure more queues at the backend (testpmd: queues=N of net_vhost)';
  return note('queues', 'one queue pair: the backend has no more', remedy);
}

function describeRegions({ maxRegions, memorySlots }: VhostTransport): Finding {
  const more = memorySlots !== undefined ? ', and takes more while it runs' : '';
  return ok('memory regions', `the backend maps up to ${maxRegions}${more}; a port needs one`);
}

async function describeMtu(transport: VhostTransport, features: bigint, wait: WaitOptions): Promise<Finding> {
  const mergeable = (features & VIRTIO_NET_F_MRG_RXBUF) !== 0n;
  const config = await transport.config?.read(features, wait);
  if (config?.mtu !== undefined) return ok('mtu', `the backend's MTU is ${config.mtu} bytes`);
  if (mergeable)
    return ok('mtu', 'the backend names no MTU; frames of up to 9728 bytes fit mergeable buffers');
  return note(
    'mtu',
    'the backend names no MTU and has no mergeable buffers: frames it sends that are over 2048 bytes are lost',
    'switch on mergeable buffers at the backend, or keep the MTU of everybody behind it at 1500',
  );
}

/** The whole of it: memory is shared, rings run. What still goes wrong here no earlier check could see. */
async function checkStart(path: string, { timeout, signal }: WaitOptions): Promise<Finding> {
  try {
    await using port = await openVirtioUser(
      { path },
      { ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }) },
    );
    return ok('start', `a port starts: ${port.paths.rx.path}, ${port.paths.tx.path}`);
  } catch (error) {
    return fromError('start', error);
  }
}

/** What devargs ask for that this backend has not. */
function describeFeatures(features: bigint): Finding[] {
  const wishes: readonly [bigint, string][] = [
    [VIRTIO_F_RING_PACKED, 'packed_vq=1'],
    [VIRTIO_F_IN_ORDER, 'in_order=1'],
    [VIRTIO_NET_F_MRG_RXBUF, 'mrg_rxbuf=1'],
  ];
  const missing = wishes.filter(([bit]) => (features & bit) === 0n).map(([, devarg]) => devarg);
  const offered = ok('features', featureNames(features).join(' '));
  if (missing.length === 0) return [offered];
  return [offered, note('features', `without ${missing.join(', ')}`, 'leave these devargs out')];
}
