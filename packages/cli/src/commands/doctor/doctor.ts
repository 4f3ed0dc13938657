import type { DoctorOptions } from './options.ts';
import { namesPciDevice } from '../../open-devargs.ts';
import { checkBackend } from './backend-checks.ts';
import { hasProblem, inWords } from './finding.ts';
import { checkMachine } from './machine-checks.ts';
import { checkPciDevice } from './pci-checks.ts';
import { Output } from '../../output.ts';

/** Looks at everything a port needs; a problem makes the exit code 1. */
export async function doctor(
  devargs: string,
  options: DoctorOptions,
  interrupted: AbortSignal,
): Promise<void> {
  const output = new Output(options.json === true);
  const wait = { timeout: options.timeout, signal: interrupted };
  const check = namesPciDevice(devargs) ? checkPciDevice : checkBackend;
  const findings = [...checkMachine(), ...(await check(devargs, options, wait))];
  for (const finding of findings) output.record('finding', finding, inWords(finding));
  if (hasProblem(findings)) process.exitCode = 1;
}
