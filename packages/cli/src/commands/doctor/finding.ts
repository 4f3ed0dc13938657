import { VioError } from '@vio/native';

/** One thing that has to be right for a port to work. */
export interface Finding {
  /** What was looked at. */
  readonly check: string;
  /** `note`: nothing is wrong, but it is good to know. */
  readonly status: 'ok' | 'note' | 'problem';
  readonly detail: string;
  /** What to do about it. */
  readonly remedy?: string;
}

export const ok = (check: string, detail: string): Finding => ({ check, status: 'ok', detail });

export const note = (check: string, detail: string, remedy?: string): Finding => ({
  check,
  status: 'note',
  detail,
  ...(remedy === undefined ? {} : { remedy }),
});

export const problem = (check: string, detail: string, remedy: string): Finding => ({
  check,
  status: 'problem',
  detail,
  remedy,
});

/** What an error of the library says is what the doctor says. */
export function fromError(check: string, error: unknown): Finding {
  if (VioError.is(error)) return problem(check, error.message, error.remedy);
  throw error;
}

export const hasProblem = (findings: readonly Finding[]): boolean =>
  findings.some(({ status }) => status === 'problem');

/** For a person. */
export function inWords({ status, check, detail, remedy }: Finding): string {
  const line = `${status.padEnd(8)}${check}: ${detail}`;
  return remedy === undefined ? line : `${line}\n${' '.repeat(8)}remedy: ${remedy}`;
}
