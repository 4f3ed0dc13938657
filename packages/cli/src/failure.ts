import { CommanderError } from 'commander';
import { interruptedExitCode } from './interruption.ts';

export const exitCodes = { failure: 1, usage: 2 } as const;

/** What goes wrong for a user: the fields of a `VioError`. */
interface Failure {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly retryable: boolean;
}

/**
 * Says why a command failed: what happened, the remedy and the code on stderr, or with `--json` an object on stdout.
 * @param args the command line
 * @returns the exit code
 * @throws what is no failure of a user's kind, but a fault of ours
 */
export function tellOfFailure(error: unknown, interrupted: AbortSignal, args: readonly string[]): number {
  const failure = failureOf(error, args);
  if (failure === undefined) throw error;
  const interruptedWith = interruptedExitCode(interrupted.reason);
  if (interruptedWith !== undefined && failure.code === 'VIO_ABORTED') return interruptedWith;
  const { code, message, remedy, retryable } = failure;
  if (args.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ type: 'error', code, message, remedy, retryable })}\n`);
  } else process.stderr.write(inWords(failure));
  return code === 'VIO_CLI_USAGE' ? exitCodes.usage : exitCodes.failure;
}

/** Says that what there is to say cannot be written, as on a disk that is full, and makes the exit code that of a failure. */
export async function tellOfOutput(cause: Error): Promise<void> {
  process.on('exit', () => (process.exitCode = exitCodes.failure));
  const { VioError } = await import('@vio/native');
  const failure = new VioError(`standard output cannot be written: ${cause.message}`, {
    code: 'VIO_CLI_OUTPUT',
    remedy: 'make room where it goes, or send it elsewhere',
    cause,
  });
  process.stderr.write(inWords(failure));
}

function inWords({ message, remedy, code }: Failure): string {
  return `vio: ${message}\n  remedy: ${remedy}\n  code: ${code}\n`;
}

function usageFailure({ message }: CommanderError, args: readonly string[]): Failure {
  const [command = ''] = args;
  const help = /^[a-z]+$/.test(command) && !message.includes('unknown command') ? `vio ${command}` : 'vio';
  return {
    code: 'VIO_CLI_USAGE',
    message: message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' '),
    remedy: `see ${help} --help`,
    retryable: false,
  };
}

function failureOf(error: unknown, args: readonly string[]): Failure | undefined {
  if (error instanceof CommanderError) return usageFailure(error, args);
  return isFailure(error) ? error : undefined;
}

/** As `VioError.is` does, which cannot be asked where the addon is missing: that is such a failure itself. */
function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && Symbol.for('vio.error') in error;
}
