import { Command, CommanderError } from 'commander';
import { addBackendCommand } from './commands/backend/command.ts';
import { addCompletionCommand } from './commands/completion/command.ts';
import { addDevbindCommand } from './commands/devbind/command.ts';
import { addDoctorCommand } from './commands/doctor/command.ts';
import { addExampleCommand } from './commands/example/command.ts';
import { addInspectCommand } from './commands/inspect/command.ts';
import { addManCommand } from './commands/man/command.ts';
import { addPerfCommand } from './commands/perf/command.ts';
import { addRunCommand } from './commands/run/command.ts';
import { addShowCommand } from './commands/show/command.ts';
import { addSwitchCommand } from './commands/switch/command.ts';
import { addTopCommand } from './commands/top/command.ts';
import { exitCodes, tellOfFailure, tellOfOutput } from './failure.ts';
import { interruption } from './interruption.ts';
import { fromTestpmd } from './commands/run/testpmd-line.ts';
import { version } from './version.ts';

const interrupted = interruption((cause) => void tellOfOutput(cause));
const program = new Command('vio')
  .description('virtio networking for Node.js, without a VM')
  .version(version)
  .addHelpText(
    'after',
    `
Exit codes: 0 done (run, backend and switch: also when ended by SIGINT or SIGTERM, run and backend by SIGHUP), 1 it failed
(the reason and a remedy are on stderr, with --json an object on stdout), 2 wrong usage, 130, 143 and 129 ended by SIGINT,
SIGTERM or SIGHUP before it had begun.`,
  )
  // What is wrong is told below, whoever has found it.
  .configureOutput({ outputError: () => {} })
  .exitOverride();
addRunCommand(program, interrupted);
addBackendCommand(program, interrupted);
addInspectCommand(program, interrupted);
addDoctorCommand(program, interrupted);
addTopCommand(program, interrupted);
addPerfCommand(program, interrupted);
addShowCommand(program);
addDevbindCommand(program);
addSwitchCommand(program, interrupted);
addExampleCommand(program);
addCompletionCommand(program);
addManCommand(program);

/** `run` takes testpmd's command lines as they are. */
function understood(args: readonly string[]): readonly string[] {
  return args[0] === 'run' ? ['run', ...fromTestpmd(args.slice(1))] : args;
}

try {
  await program.parseAsync(understood(process.argv.slice(2)), { from: 'user' });
} catch (error) {
  // Help and version are asked for by an error, too.
  const wanted = error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help');
  if (wanted) process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  else process.exitCode = tellOfFailure(error, interrupted, process.argv.slice(2));
}
