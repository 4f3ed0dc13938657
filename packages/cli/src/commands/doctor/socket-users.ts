import { readFileSync } from 'node:fs';

/** Who is at a Unix socket, as far as this network namespace shows. */
export interface SocketUsers {
  /** Somebody listens there. */
  readonly listening: boolean;
  /** Connections that were accepted there and live. */
  readonly connected: number;
}

const listensFlag = 0x1_0000;

/**
 * Looks without touching: the kernel lists every Unix socket with the path it was bound to, and a connection has that of its
 * listener.
 * @param table of /proc/net/unix
 * @returns undefined when nobody is seen there: nobody is, or another network namespace has it
 */
export function socketUsers(path: string, table = readTable()): SocketUsers | undefined {
  let listening = false;
  let connected = 0;
  for (const line of table.split('\n')) {
    const [, flags, at] = /^\S+: \S+ \S+ (\S+) \S+ \S+ +\d+ (.*)$/.exec(line) ?? [];
    if (at !== path || flags === undefined) continue;
    if ((Number.parseInt(flags, 16) & listensFlag) !== 0) listening = true;
    else connected++;
  }
  return listening || connected > 0 ? { listening, connected } : undefined;
}

function readTable(): string {
  try {
    return readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return '';
  }
}
