import { VioError } from '@vio/native';
import { jsonValue } from './json-value.ts';
import { LineParts, LineStream } from './line-connection.ts';
import type { LineRequest } from './line-request.ts';
import type { TelemetrySource } from './source.ts';
import { ethdevInfo, ethdevStats } from './ethdev.ts';
import type { Observed, Telemetry } from './telemetry.ts';

/** Grows when an answer changes in a way that breaks those who ask. */
const telemetryProtocol = 1;

/** What `/info` says in every process. */
export function aboutProcess(): Readonly<Record<string, unknown>> {
  return {
    version: 'vio',
    protocol: telemetryProtocol,
    pid: process.pid,
    node: process.versions.node,
    arch: process.arch,
    started: Math.round(performance.timeOrigin),
  };
}

/** What a method is given. */
interface Call {
  readonly telemetry: Telemetry;
  readonly writable: boolean;
  readonly about: Readonly<Record<string, unknown>>;
  /** What follows the name, at its commas. */
  readonly args: readonly string[];
  /** The port that the first of them names. */
  readonly port: () => Observed;
}

interface Method {
  readonly help: string;
  readonly run: (call: Call) => unknown;
}

const ofPort = (help: string, run: (source: TelemetrySource) => unknown): Method => ({
  help: `${help}. Parameter: number of the port`,
  run: ({ port }) => run(port().source),
});

const methods: Readonly<Record<string, Method>> = {
  '/': { help: 'Names of all commands', run: () => Object.keys(methods) },
  '/help': {
    help: 'What a command does. Parameter: its name',
    run: ({ args }) => {
      const [name = '/help'] = args;
      return { [name]: lookUp(name).help };
    },
  },
  '/info': { help: 'Version, protocol, process', run: ({ about, writable }) => ({ ...about, writable }) },
  '/ethdev/list': { help: 'Numbers of all ports', run: ({ telemetry }) => telemetry.all.map(({ id }) => id) },
  '/ethdev/info': {
    help: 'What a port is. Parameter: number of the port',
    run: ({ port }) => ethdevInfo(port()),
  },
  '/ethdev/stats': ofPort('The statistics of DPDK', (source) => ethdevStats(source.stats())),
  '/ethdev/xstats': ofPort('All counters', (source) => source.stats()),
  '/ethdev/link_status': ofPort('The link', (source) => source.link()),
  '/vio/paths': ofPort('The elected paths, with what stood in the way of others', (source) =>
    source.paths?.(),
  ),
  '/vio/rings': ofPort('Every ring: size and fill', (source) => source.rings()),
  '/vio/dump': ofPort('Every ring as it lies in memory', (source) => new LineParts(jsonList(source.dump()))),
  '/vio/memory': ofPort('Pool and shared memory', (source) => source.memory()),
  '/vio/rates': {
    help: 'What all counters grow by in a second. Parameter: number of the port',
    run: ({ port }) => port().rates.perSecond(),
  },
  '/vio/snapshot': {
    help: 'Link, counters and rings of all ports',
    run: ({ telemetry }) => new LineParts(snapshot(telemetry)),
  },
  '/vio/events': {
    help: 'What happened. Parameter: cursor of the answer before, or 0',
    run: ({ telemetry, args }) => telemetry.events.since(wholeNumber(args[0] ?? '0', 'a cursor')),
  },
  '/vio/capture': {
    help: 'What passes, as the bytes of a pcapng file behind the answer. Parameters: number of the port, bytes of each packet',
    run: ({ port, args }) => capture(port().source, args[1]),
  },
  '/vio/control': {
    help: 'Changes something, where that was allowed. Parameters: number of the port, what, arguments of that. Without: what there is',
    run: control,
  },
};

function lookUp(name: string): Method {
  if (Object.hasOwn(methods, name)) return methods[name];
  throw new VioError(`there is no command ${JSON.stringify(name.slice(0, 100))}`, {
    code: 'VIO_TELEMETRY_COMMAND',
    remedy: 'the command / names all there are',
  });
}

/** Whether a method is one of telemetry's, by its name. */
export function isTelemetryMethod(method: string): boolean {
  return method.startsWith('/');
}

/**
 * Answers a request, such as `/ethdev/xstats,0`, or the same with the parameters as `params`: a text, a number, or a list of them.
 * @throws VioError VIO_TELEMETRY_COMMAND, _PORT, _PARAMETER, _READ_ONLY
 */
export function callTelemetry(
  telemetry: Telemetry,
  { method, params }: LineRequest,
  about: Readonly<Record<string, unknown>>,
  writable: boolean,
): unknown {
  const [name, ...inline] = method.split(',');
  const { run } = lookUp(name);
  const args = [...inline, ...listed(params)];
  const port = (): Observed => telemetry.get(wholeNumber(args[0] ?? '', 'the number of a port'));
  return run({ telemetry, writable, about, args, port });
}

function listed(params: unknown): string[] {
  if (params === undefined || params === null) return [];
  // Some clients always send parameters.
  if (typeof params === 'object' && Object.keys(params).length === 0) return [];
  const list: readonly unknown[] = Array.isArray(params) ? params : [params];
  return list.map((each) => {
    if (typeof each === 'string') return each;
    if (typeof each === 'number' || typeof each === 'boolean') return String(each);
    throw wrongParameter('a parameter', 'texts and numbers');
  });
}

/** The JSON of a list, item by item. */
function* jsonList(items: Iterable<object>): Generator<string> {
  let before = '[';
  for (const item of items) {
    yield before + JSON.stringify(item, jsonValue);
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}

/** One port after the other: a switch has thousands. */
function* snapshot(telemetry: Telemetry): Generator<string> {
  yield `{"time":${Date.now()},"ports":`;
  yield* jsonList(portViews(telemetry));
  yield '}';
}

function* portViews(telemetry: Telemetry): Generator<object> {
  for (const { id } of telemetry.all) {
    const source = telemetry.find(id)?.source;
    // Gone while others were looked at.
    if (source === undefined) continue;
    yield {
      id,
      name: source.name,
      kind: source.kind,
      link: source.link(),
      info: source.info(),
      stats: source.stats(),
      rings: source.rings(),
      memory: source.memory(),
    };
  }
}

function capture(source: TelemetrySource, text: string | undefined): LineStream {
  const snaplen = text === undefined ? undefined : wholeNumber(text, 'the bytes of a packet');
  try {
    const bytes = source.capture?.(snaplen);
    if (bytes !== undefined) return new LineStream({ format: 'pcapng' }, bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw wrongParameter('the bytes of a packet', error.message);
  }
  throw wrongParameter('the port', 'one whose packets can be seen');
}

function control({ args, port, writable }: Call): unknown {
  const { controls = {} } = port().source;
  const [, what, ...rest] = args;
  if (what === undefined) return Object.keys(controls);
  if (!writable)
    throw new VioError('nothing can be changed by this socket', {
      code: 'VIO_TELEMETRY_READ_ONLY',
      remedy: 'serve it with writable: true (vio run --telemetry-writable)',
    });
  if (!Object.hasOwn(controls, what))
    throw wrongParameter('what to change', Object.keys(controls).join(', '));
  return controls[what](rest);
}

function wholeNumber(text: string, what: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw wrongParameter(what, 'a whole number');
}

function wrongParameter(what: string, allowed: string): VioError {
  return new VioError(`${what} is missing or makes no sense`, {
    code: 'VIO_TELEMETRY_PARAMETER',
    remedy: `allowed: ${allowed}; the command /help,NAME says what a command takes`,
  });
}
