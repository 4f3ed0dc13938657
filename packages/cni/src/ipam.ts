import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Conf } from './conf.ts';
import type { Command, Environment } from './environment.ts';
import { CniError, codes } from './errors.ts';
import { type CniResult, isResult } from './result.ts';

const timeout = 30_000;

/**
 * Has the address plugin of the conf do its part, with the conf and the environment of this call.
 * @returns what it says at ADD; undefined when there is none
 * @throws CniError what it says, or 5 when it cannot be run
 */
export async function delegate(
  conf: Conf,
  { path, all }: Environment,
  command: Command,
): Promise<CniResult | undefined> {
  if (conf.ipam === undefined) return undefined;
  const type = String(conf.ipam['type']);
  const program = path.map((directory) => join(directory, type)).find(isExecutable);
  if (program === undefined) {
    throw new CniError(
      codes.ioFailure,
      `the IPAM plugin ${type} is in none of ${path.join(', ') || 'no directory'} (CNI_PATH)`,
      'install it there',
    );
  }
  const stdout = await run(program, JSON.stringify(conf.raw), { ...all, CNI_COMMAND: command });
  return stdout.trim() === '' ? undefined : parse(stdout, type);
}

function run(program: string, conf: string, env: NodeJS.ProcessEnv): Promise<string> {
  // Loaded by those alone who need it: a plugin starts anew for every call.
  const { execFile } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve, reject) => {
    const child = execFile(program, [], { env, timeout }, (error, stdout) => {
      if (error === null) return resolve(stdout);
      return reject(failure(program, stdout, error));
    });
    // One that does not read is told nothing.
    child.stdin?.on('error', () => {});
    child.stdin?.end(conf);
  });
}

/** Its own words, where it has some. */
function failure(program: string, stdout: string, error: Error): CniError {
  try {
    const said = JSON.parse(stdout) as { code?: unknown; msg?: unknown; details?: unknown };
    if (typeof said.code === 'number' && typeof said.msg === 'string') {
      return new CniError(
        said.code,
        said.msg,
        typeof said.details === 'string' ? said.details : `from ${program}`,
      );
    }
  } catch {
    // No JSON: what the system says of it.
  }
  return new CniError(
    codes.ioFailure,
    `${program} failed: ${error.message.split('\n')[0]}`,
    'see what it wrote to stderr',
    error,
  );
}

function parse(text: string, type: string): CniResult {
  let cause: unknown;
  try {
    const answer: unknown = JSON.parse(text);
    if (isResult(answer)) return answer;
  } catch (error) {
    cause = error;
  }
  throw new CniError(
    codes.decodingFailed,
    `the IPAM plugin ${type} answers with something that is ${cause === undefined ? 'no result' : 'no JSON'}`,
    'see whether it is one',
    cause,
  );
}

function isExecutable(program: string): boolean {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
