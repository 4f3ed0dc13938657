import { VioError, type WaitOptions } from '@vio/native';
import { fileKind } from '@vio/native/internal';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF, featureNames } from '@vio/net';
import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED } from '@vio/rings';
import { type VhostTransport, VhostUserFrontend } from '@vio/vhost';
import { VhostNetTransport, VhostVdpaTransport } from '@vio/vhost-kernel/internal';
import { type VirtioUserConfig, type VirtioUserOptions, openVirtioUser } from '@vio/virtio-user';
import { parseDevargs, parseVirtioUserConfig } from '@vio/virtio-user/internal';
import { completedDevargs } from '../../options/devargs.ts';
import { type Finding, fromError, hasProblem, note, ok, problem } from './finding.ts';
import type { DoctorOptions } from './options.ts';
import { checkPath } from './path-checks.ts';
import type { SocketUsers } from './socket-users.ts';

/** What somebody wants to know of a backend. */
interface Question {
  readonly path: string;
  /** Undefined: only a path was given. */
  readonly config: VirtioUserConfig | undefined;
  /** What a port is opened with. */
  readonly devargs: string | VirtioUserOptions;
}

/** The path, who may use it, and what is behind it. Each check goes on only where the one before found nothing wrong. */
export async function checkBackend(
  text: string,
  { expectBackend, connect: mayConnect, start }: DoctorOptions,
  wait: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<Finding[]> {
  let question: Question;
  try {
    question = questionOf(text);
  } catch (error) {
    return [fromError('devargs', error)];
  }
  const { path, config } = question;
  const { findings, kind, users, reachable } = checkPath(
    path,
    config?.server === true,
    expectBackend === true,
  );
  if (config?.server === true && expectBackend === true && !hasProblem(findings)) {
    const remedy = 'leave --expect-backend out, or start the port and see whether its link is up';
    return [...findings, problem('connection', 'whether a backend connects shows only the port', remedy)];
  }
  if (!reachable) return findings;
  if (kind === 'character-device') findings.push(...checkTap(path));
  if (!mayConnect || hasProblem(findings)) return findings;
  if (users !== undefined && !users.listening) return [...findings, taken(users)];
  findings.push(...(await checkConversation(question, wait)));
  if (hasProblem(findings) || kind !== 'socket') return findings;
  const reason = start === true ? undefined : leftAlone(users);
  return [...findings, reason ?? (await checkStart(question, wait))];
}

/** @throws VioError VIO_DEVARGS_* */
function questionOf(text: string): Question {
  if (!text.includes('=')) return ofPath(text);
  const devargs = completedDevargs(text);
  const path = parseDevargs(devargs).values.get('path');
  // What is at the path is told below, and better.
  if (path !== undefined && !['socket', 'missing', 'character-device'].includes(fileKind(path)))
    return ofPath(path);
  const config = parseVirtioUserConfig(devargs);
  return { path: config.path, config, devargs };
}

function ofPath(path: string): Question {
  return { path, config: undefined, devargs: { path } };
}

/** A backend that serves one frontend, and has one. */
function taken({ connected }: SocketUsers): Finding {
  return problem(
    'connection',
    `the backend serves ${connected} frontend${connected === 1 ? '' : 's'} and listens for no other`,
    'end the one that is connected, or give this port a backend of its own',
  );
}

/** Why no port is started, where that could disturb somebody. */
function leftAlone(users: SocketUsers | undefined): Finding | undefined {
  const remedy = 'to start one all the same: --start';
  if (users === undefined)
    return note(
      'start',
      'no port was started: who else uses the backend cannot be seen from this network namespace',
      remedy,
    );
  if (users.connected === 0) return undefined;
  return note(
    'start',
    `no port was started: ${users.connected} are connected, and a second could take their backend over`,
    remedy,
  );
}

function checkTap(path: string): Finding[] {
  if (/vhost-vdpa/.test(path)) return [];
  if (fileKind('/dev/net/tun') === 'character-device')
    return [ok('tap', '/dev/net/tun is there, for the tap')];
  const remedy = 'load the module (modprobe tun), or hand /dev/net/tun to this container';
  return [problem('tap', 'there is no /dev/net/tun: no tap can be made', remedy)];
}

async function checkConversation({ path, config }: Question, wait: WaitOptions): Promise<Finding[]> {
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
      ...describeFeatures(features, config),
      describeQueues(features, await transport.queueNum(wait), config?.queues),
      describeRegions(transport),
      await describeMtu(transport, features, wait),
    ];
  } catch (error) {
    return [silence(error) ?? fromError('conversation', error)];
  } finally {
    transport.close();
  }
}

/** Nobody answers: a backend would, and a frontend would have asked. */
function silence(error: unknown): Finding | undefined {
  if (!VioError.is(error) || error.code !== 'VIO_TIMEOUT') return undefined;
  return problem(
    'conversation',
    `${error.message}: whoever listens there is no backend, serves another frontend first, or hangs`,
    error.remedy,
  );
}

async function connect(path: string, wait: WaitOptions): Promise<VhostTransport> {
  if (fileKind(path) === 'socket') return VhostUserFrontend.connect(path, wait);
  if (/vhost-vdpa/.test(path)) return VhostVdpaTransport.open({ path }, wait);
  return VhostNetTransport.open({ path, queues: 1 });
}

function describeQueues(features: bigint, pairs: number, wanted = 1): Finding {
  const remedy =
    'leave queues at 1, or configure more queues at the backend (testpmd: queues=N of net_vhost)';
  if (wanted > pairs)
    return problem('queues', `queues=${wanted} is asked for, and the backend has ${pairs}`, remedy);
  if ((features & VIRTIO_NET_F_MQ) !== 0n || pairs > 1) return ok('queues', `up to ${pairs} queue pairs`);
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
async function checkStart(
  { devargs }: Question,
  { timeout, signal }: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<Finding> {
  try {
    await using port = await openVirtioUser(devargs, { timeout, signal });
    return ok('start', `a port starts: ${port.paths.rx.path}, ${port.paths.tx.path}`);
  } catch (error) {
    return fromError('start', error);
  }
}

/** What devargs ask for that this backend has not; without devargs, what they could. */
function describeFeatures(features: bigint, config: VirtioUserConfig | undefined): Finding[] {
  const wishes: readonly [bigint, string, boolean | undefined][] = [
    [VIRTIO_F_RING_PACKED, 'packed_vq=1', config?.packed_vq],
    [VIRTIO_F_IN_ORDER, 'in_order=1', config?.in_order],
    [VIRTIO_NET_F_MRG_RXBUF, 'mrg_rxbuf=1', config?.mrg_rxbuf],
  ];
  const missing = wishes.filter(([bit, , wish]) => wish !== false && (features & bit) === 0n);
  const offered = ok('features', featureNames(features).join(' '));
  if (missing.length === 0) return [offered];
  const names = missing.map(([, devarg]) => devarg).join(', ');
  return [offered, note('features', `without ${names}`, 'leave these devargs out')];
}
