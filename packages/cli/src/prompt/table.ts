import type { PromptCommand } from './command.ts';
import { configCommands } from './commands/config.ts';
import { controlCommands } from './commands/control.ts';
import { displayCommands } from './commands/display.ts';
import { helpCommands } from './commands/help.ts';
import { offloadCommands } from './commands/offload.ts';
import { portCommands } from './commands/ports.ts';
import { rssCommands } from './commands/rss.ts';

/** All commands of the prompt. */
export const promptCommands: readonly PromptCommand[] = [
  ...helpCommands(() => promptCommands),
  ...controlCommands,
  ...displayCommands,
  ...configCommands,
  ...offloadCommands,
  ...portCommands,
  ...rssCommands,
];
