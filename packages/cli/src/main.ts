import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addBackendCommand } from './commands/backend/command.ts';
import { addDevbindCommand } from './commands/devbind/command.ts';
import { addDoctorCommand } from './commands/doctor/command.ts';
import { addInspectCommand } from './commands/inspect/command.ts';
import { addRunCommand } from './commands/run/command.ts';
import { addSwitchCommand } from './commands/switch/command.ts';
import { interruptedExitCode, interruption } from './interruption.ts';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const interrupted = interruption();
const program = new Command('vio')
  .description('virtio networking for Node.js, without a VM')
  .version(manifest.version)
  .showHelpAfterError('(add --help for the options)')
  .addHelpText(
    'after',
    `
Exit codes: 0 done (run, backend and switch: also when ended by SIGINT or SIGTERM), 1 it failed (the reason and a remedy are
on stderr), 2 wrong usage, 130 and 143 ended by SIGINT or SIGTERM before it had begun.`,
  )
  .exitOverride((stop) => process.exit(stop.exitCode === 0 ? 0 : 2));
addRunCommand(program, interrupted);
addBackendCommand(program, interrupted);
addInspectCommand(program, interrupted);
addDoctorCommand(program, interrupted);
addDevbindCommand(program);
addSwitchCommand(program, interrupted);

try {
  await program.parseAsync();
} catch (error) {
  const exitCode = interruptedExitCode(interrupted.reason);
  process.exitCode = exitCode ?? 1;
  // Loaded now, like what a command does: --help takes no longer than it must.
  const { VioError } = await import('@vio/native');
  if (!VioError.is(error)) throw error;
  if (exitCode === null || error.code !== 'VIO_ABORTED') {
    process.stderr.write(`vio: ${error.message}\n  remedy: ${error.remedy}\n  code: ${error.code}\n`);
    process.exitCode = error.code === 'VIO_CLI_USAGE' ? 2 : 1;
  }
}
