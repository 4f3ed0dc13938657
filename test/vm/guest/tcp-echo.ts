// TCP from one network namespace to another and back, on busybox's nc: the bytes are checked both ways.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const port = 7;

export interface EchoReport {
  readonly sent: number;
  readonly received: number;
  /** Every byte came back as it went. */
  readonly same: boolean;
}

/** @param address of the server's namespace @param progress is told how many bytes are back */
export async function tcpEcho(
  client: string,
  server: string,
  address: string,
  size: number,
  progress: (received: number) => void = () => {},
): Promise<EchoReport> {
  const echo = inside(server, ['nc', '-l', '-p', String(port), '-e', 'cat']);
  await listening(server);
  const peer = inside(client, ['nc', address, String(port)]);
  const sent = randomBytes(size);
  peer.stdin.end(sent);
  const back = createHash('sha256');
  let received = 0;
  for await (const part of peer.stdout) {
    back.update(part as Buffer);
    received += (part as Buffer).length;
    progress(received);
  }
  echo.kill();
  const same = back.digest('hex') === createHash('sha256').update(sent).digest('hex');
  return { sent: sent.length, received, same };
}

function inside(name: string, command: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
  return spawn('ip', ['netns', 'exec', name, 'busybox', ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
}

async function listening(name: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const probe = spawn('ip', ['netns', 'exec', name, 'cat', '/proc/net/tcp', '/proc/net/tcp6'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let table = '';
    for await (const part of probe.stdout) table += String(part);
    if (/:0007 \S+ 0A/.test(table)) return;
    await sleep(25);
  }
  throw new Error('the server does not listen');
}
