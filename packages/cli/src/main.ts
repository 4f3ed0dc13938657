import { VioError } from '@vio/native';
import { Command } from 'commander';
import { addBackendCommand } from './commands/backend.ts';
import { addInspectCommand } from './commands/inspect.ts';
import { addRunCommand } from './commands/run.ts';

const program = new Command('vio')
  .description('virtio networking for Node.js, without a VM')
  .version('0.1.0')
  .showHelpAfterError('(add --help for the options)')
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 it failed (the reason and a remedy are on stderr), 2 wrong usage.',
  )
  .exitOverride((stop) => process.exit(stop.exitCode === 0 ? 0 : 2))
  .configureHelp({ showGlobalOptions: true });
addRunCommand(program);
addBackendCommand(program);
addInspectCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = 1;
  if (!VioError.is(error)) throw error;
  process.stderr.write(`vio: ${error.message}\n  remedy: ${error.remedy}\n  code: ${error.code}\n`);
  if (error.code === 'VIO_CLI_USAGE') process.exitCode = 2;
}
