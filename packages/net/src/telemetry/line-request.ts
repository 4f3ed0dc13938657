import { VioError } from '@vio/native';

/** What a client asks for. */
export interface LineRequest {
  /** What the answer is to carry. */
  readonly id: string | number | undefined;
  /** The name of what is asked for, with parameters behind commas where that is usual. */
  readonly method: string;
  /** What JSON can say. */
  readonly params: unknown;
}

const mostIdCharacters = 128;
const mostMethodCharacters = 256;
const fields = new Set(['id', 'method', 'params']);

/**
 * Reads a line: `{"id": 1, "method": "/ethdev/info", "params": ...}`; or as DPDK's telemetry is asked, `/ethdev/info,0`, with or
 * without quotes.
 * @throws VioError with this code when it is neither
 */
export function parseLineRequest(text: string, code: string): LineRequest {
  const request = text.startsWith('/') ? text.trim() : parseJson(text);
  if (typeof request === 'string' && request.length <= mostMethodCharacters)
    return { id: undefined, method: request, params: undefined };
  if (isFields(request)) {
    const { id, method, params } = request;
    const known = Object.keys(request).every((name) => fields.has(name));
    if (known && isId(id) && typeof method === 'string' && method.length <= mostMethodCharacters)
      return { id, method, params };
  }
  throw new VioError('a line is no request', {
    code,
    remedy: 'send one JSON object per line: {"id": 1, "method": "...", "params": {}}',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(id: unknown): id is string | number | undefined {
  return (
    id === undefined || typeof id === 'number' || (typeof id === 'string' && id.length <= mostIdCharacters)
  );
}
