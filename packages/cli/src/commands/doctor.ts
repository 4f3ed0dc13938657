import type { Command } from 'commander';
import { checkBackend } from '../doctor/backend.ts';
import type { Finding } from '../doctor/check.ts';
import { checkMachine } from '../doctor/machine.ts';
import { Output } from '../output.ts';
import { integer } from './option-values.ts';

interface DoctorOptions {
  readonly timeout: number;
  readonly json?: true;
}

/** `vio doctor PATH`: what stands between this process and a working port, each with its remedy. */
export function addDoctorCommand(program: Command, interrupted: AbortSignal): void {
  program
    .command('doctor')
    .description('say what stands between this process and a working port, and what to do about it')
    .argument('<path>', 'socket of a vhost-user backend, or /dev/vhost-net')
    .option('--timeout <ms>', 'how long to wait for the backend, in each step', integer(1, 3_600_000), 5000)
    .option('--json', 'one JSON object per line instead of text')
    .addHelpText('after', '\nThe exit code is 1 when there is a problem.')
    .action((path: string, options: DoctorOptions) => doctor(path, options, interrupted));
}

async function doctor(path: string, options: DoctorOptions, interrupted: AbortSignal): Promise<void> {
  const output = new Output(options.json === true);
  const wait = { timeout: options.timeout, signal: interrupted };
  const findings = [...checkMachine(), ...(await checkBackend(path, wait))];
  for (const finding of findings) output.record('finding', finding, inWords(finding));
  if (findings.some(({ status }) => status === 'problem')) process.exitCode = 1;
}

function inWords({ status, check, detail, remedy }: Finding): string {
  const line = `${status.padEnd(8)}${check}: ${detail}`;
  return remedy === undefined ? line : `${line}\n${' '.repeat(8)}remedy: ${remedy}`;
}
