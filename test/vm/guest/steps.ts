// One boot, several steps: what each has to report, by name.
import { VioError } from '@vio/native';

/** By name: a program and what it is given. */
export type Steps<Step> = Readonly<Record<string, Step>>;

/** Runs the steps, one after the other, and prints their reports as JSON; one that fails reports why. */
export async function reportSteps<Step>(steps: Steps<Step>, run: (step: Step) => unknown): Promise<void> {
  const reports: Record<string, unknown> = {};
  for (const [name, step] of Object.entries(steps)) {
    const began = performance.now();
    try {
      reports[name] = await run(step);
    } catch (error) {
      reports[name] = { failed: VioError.is(error) ? `${error.code}: ${error.message}` : String(error) };
    }
    console.error(`${name}: ${Math.round(performance.now() - began)} ms`);
  }
  console.log(JSON.stringify(reports));
}
