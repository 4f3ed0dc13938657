// One boot, several steps: what each has to report, by name.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { VioError } from '@vio/native';

/** By name: a program and what it is given. */
export type Steps<Step> = Readonly<Record<string, Step>>;

/** The step that is being taken, and the reports of those before it. */
export interface SoFar {
  readonly name: string;
  readonly reports: Readonly<Record<string, unknown>>;
}

/** What has been reported before the guest started again: a directory of the host. */
const kept = '/tmp/out/reports.json';

/** Runs the steps, one after the other, and prints their reports as JSON; one that fails reports why. */
export async function reportSteps<Step>(
  steps: Steps<Step>,
  run: (step: Step, soFar: SoFar) => unknown,
): Promise<void> {
  let whole = true;
  const reports: Record<string, unknown> = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {};
  for (const [name, step] of Object.entries(steps)) {
    if (name in reports) continue;
    const began = performance.now();
    try {
      reports[name] = await run(step, { name, reports });
    } catch (error) {
      whole = false;
      reports[name] = { failed: VioError.is(error) ? `${error.code}: ${error.message}` : String(error) };
    }
    console.error(`${name}: ${Math.round(performance.now() - began)} ms`);
  }
  console.log(JSON.stringify(reports));
  // What a step that failed has left open would keep the guest from ending, and its reports from being read.
  if (!whole) process.exit();
}

/** A step: the guest starts again, and goes on with what comes behind it. */
export function reboot({ name, reports }: SoFar): void {
  writeFileSync(kept, JSON.stringify({ ...reports, [name]: 'done' }));
  execFileSync('busybox', ['reboot', '-f']);
}
