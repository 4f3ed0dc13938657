import { constants, accessSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type WaitOptions, checkSocketPath, fileKind } from '@vio/native';
import { VIRTIO_NET_F_MRG_RXBUF, featureNames } from '@vio/net';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { type VhostTransport, VhostUserFrontend } from '@vio/vhost';
import { VhostNetTransport } from '@vio/vhost-kernel';
import { type Finding, fromError, note, ok, problem } from './check.ts';

/** The path, who may use it, and what is behind it. Each check goes on only where the one before found nothing wrong. */
export async function checkBackend(path: string, wait: WaitOptions): Promise<Finding[]> {
  const findings = checkPath(path);
  if (findings.some(({ status }) => status === 'problem')) return findings;
  if (fileKind(path) === 'missing') return findings;
  findings.push(...checkAccess(path));
  if (findings.some(({ status }) => status === 'problem')) return findings;
  return [...findings, ...(await checkConversation(path, wait))];
}

function checkPath(path: string): Finding[] {
  try {
    checkSocketPath(path);
  } catch (error) {
    return [fromError('path', error)];
  }
  const kind = fileKind(path);
  if (kind === 'socket')
    return [ok('path', `${path} is a socket: a vhost-user backend, for a port that connects`)];
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
    note(
      'path',
      `there is nothing at ${path} yet`,
      'start the backend as the server, or let the port listen (server=1) and the backend connect',
    ),
  ];
}

function checkAccess(path: string): Finding[] {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return [ok('permission', 'this user may use it')];
  } catch {
    const { uid, gid, mode } = statSync(path);
    const rights = (mode & 0o777).toString(8);
    return [
      problem(
        'permission',
        `this user (${process.getuid?.() ?? '?'}) may not use it: owner ${uid}, group ${gid}, mode ${rights}`,
        'run as its owner or in its group, or have the backend create it with other rights',
      ),
    ];
  }
}

async function checkConversation(path: string, wait: WaitOptions): Promise<Finding[]> {
  let transport: VhostTransport;
  try {
    transport =
      fileKind(path) === 'socket'
        ? await VhostUserFrontend.connect(path, wait)
        : VhostNetTransport.open({ path, queues: 1 });
  } catch (error) {
    return [fromError('connection', error)];
  }
  try {
    await transport.setOwner(wait);
    const features = await transport.getFeatures(wait);
    return [
      ok('connection', 'the backend answers'),
      ...describeFeatures(features),
      ok('queues', `up to ${await transport.queueNum(wait)} queue pairs`),
    ];
  } catch (error) {
    return [fromError('conversation', error)];
  } finally {
    transport.close();
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
