/** What is looked at of a process. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  readonly versions: { readonly node?: string };
}

/** @returns a sentence when vio does not run on this system or architecture */
export function platformProblem(host: Host): string | undefined;

/** @returns a sentence when vio does not run on this Node */
export function nodeProblem(host: Host): string | undefined;

/** @returns a sentence when vio does not run in this process */
export function machineProblem(): string | undefined;
