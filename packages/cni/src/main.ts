// The plugin as a program: CNI_* in the environment, the conf on stdin, the result or the error on stdout.
import { readFileSync } from 'node:fs';
import { CniError, codes } from './errors.ts';
import { runPlugin } from './plugin.ts';

async function main(): Promise<void> {
  try {
    const stdin = process.env['CNI_COMMAND'] === 'VERSION' ? '' : readFileSync(0, 'utf8');
    const result = await runPlugin(process.env, stdin);
    if (result !== undefined) process.stdout.write(`${JSON.stringify(result)}\n`);
  } catch (error) {
    const { code, message, details } = asCniError(error);
    process.stdout.write(`${JSON.stringify({ cniVersion: '1.1.0', code, msg: message, details })}\n`);
    process.exitCode = 1;
  }
}

function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CniError(codes.refused, message, 'a defect of vio: please report it');
}

// No await at the top: the file that is installed is CommonJS, which needs neither a suffix nor a package.json.
void main();
