import { defaultTimeout } from '@vio/native/timeouts';
import { Option } from 'commander';
import { integer } from './option-values.ts';

/** `--timeout`, the same for every command. @param description what it is the time for */
export function timeoutOption(description: string): Option {
  return new Option('--timeout <ms>', description).argParser(integer(1, 3_600_000)).default(defaultTimeout);
}
