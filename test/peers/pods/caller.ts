// A container runtime's part of CNI: the plugin is a program, called as the specification says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The error of a plugin, as it says it. */
export class PluginFailure extends Error {
  readonly code: number;

  constructor({ code, msg, details }: { code: number; msg: string; details: string }) {
    super(`${code}: ${msg} (${details})`);
    this.name = 'PluginFailure';
    this.code = code;
  }
}

/** What a call is about. */
export interface PluginCall {
  /** CNI_COMMAND. */
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC';
  readonly container?: string;
  readonly netns?: string;
  /** CNI_ARGS. */
  readonly args?: string;
}

/** @param path directories of plugins @returns its result; undefined when it says nothing @throws PluginFailure */
export async function callPlugin(
  path: readonly string[],
  conf: object,
  { command, container = '', netns = '', args = '' }: PluginCall,
): Promise<unknown> {
  const child = spawn(join(path[0], 'vio-cni'), {
    // The kubelet's environment: nothing of Node is in it.
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: args,
      CNI_PATH: path.join(':'),
      PATH: '/nowhere',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(conf));
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const text = Buffer.concat(chunks).toString('utf8');
  const said: unknown = text === '' ? undefined : JSON.parse(text);
  if (code !== 0) throw new PluginFailure(said as { code: number; msg: string; details: string });
  return said;
}
