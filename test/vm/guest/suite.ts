// A compliance suite in a guest, where there is no test runner.
import type { ComplianceRunner } from '@vio/net/testing';

/** Runs the tests of suites, one after the other. @returns `passed`, or what went wrong, by name */
export async function runSuites(
  declare: (runner: ComplianceRunner) => void,
): Promise<Record<string, string>> {
  const tests: [string, () => Promise<void>][] = [];
  let group = '';
  declare({
    describe(name, body) {
      group = name;
      body();
    },
    it: (name, body) => tests.push([`${group}: ${name}`, body]),
  });
  const results: Record<string, string> = {};
  for (const [name, body] of tests) {
    results[name] = await body().then(
      () => 'passed',
      (error: unknown) => String(error),
    );
  }
  return results;
}
