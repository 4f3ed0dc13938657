import type { LinkView, RingState } from '@vio/net';
import type { RingPlace, RingPositions } from '@vio/rings';

/** A port as `/vio/snapshot` tells of it. */
export interface SeenPort {
  readonly id: number;
  readonly name: string;
  readonly kind: string;
  readonly link: LinkView;
  readonly info: Readonly<Record<string, unknown>>;
  readonly stats: Readonly<Record<string, number>>;
  readonly rings: readonly RingState[];
}

/** One look at a program. */
export interface Look {
  /** Of its socket. */
  readonly path: string;
  readonly command: string;
  readonly pid: number;
  /** Milliseconds on the clock of this process. */
  readonly at: number;
  readonly ports: readonly SeenPort[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Takes what a program answered for what it should be; what is not there is left empty. Nothing it says can throw. */
export function toLook(path: string, about: unknown, snapshot: unknown): Look {
  const { command, pid } = fields(about);
  return {
    path,
    command: text(command) ?? 'vio',
    pid: number(pid) ?? 0,
    at: performance.now(),
    ports: list(fields(snapshot)['ports']).map((port) => toPort(fields(port))),
  };
}

function toPort(port: Fields): SeenPort {
  const link = fields(port['link']);
  const reason = fields(link['reason']);
  return {
    id: number(port['id']) ?? 0,
    name: text(port['name']) ?? '?',
    kind: text(port['kind']) ?? '?',
    link: {
      status: link['status'] === 'UP' ? 'UP' : 'DOWN',
      reason:
        link['reason'] === undefined
          ? undefined
          : { code: text(reason['code']) ?? '', message: text(reason['message']) ?? '' },
    },
    info: fields(port['info']),
    stats: Object.fromEntries(
      Object.entries(fields(port['stats'])).filter(
        (entry): entry is [string, number] => number(entry[1]) !== undefined,
      ),
    ),
    rings: list(port['rings']).map((ring) => toRing(fields(ring))),
  };
}

function toRing(ring: Fields): RingState {
  return {
    name: text(ring['name']) ?? '?',
    format: ring['format'] === 'packed' ? 'packed' : 'split',
    size: number(ring['size']) ?? 0,
    inUse: number(ring['inUse']) ?? 0,
    broken: text(ring['broken']),
    positions: toPositions(ring['positions']),
  };
}

function toPositions(value: unknown): RingPositions | undefined {
  if (value === undefined) return undefined;
  const positions = fields(value);
  const [used, available] = [number(positions['used']), number(positions['available'])];
  return {
    driver: toPlace(fields(positions['driver'])),
    device: toPlace(fields(positions['device'])),
    held: number(positions['held']) ?? 0,
    ...(used === undefined ? {} : { used }),
    ...(available === undefined ? {} : { available }),
  };
}

function toPlace(place: Fields): RingPlace {
  const [wrap, index] = [number(place['wrap']), number(place['index'])];
  return {
    slot: number(place['slot']) ?? 0,
    ...(wrap === undefined ? {} : { wrap }),
    ...(index === undefined ? {} : { index }),
  };
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
