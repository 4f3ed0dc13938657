import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { switchError } from './errors.ts';
import { type SwitchConfig, parseConfig } from './schema.ts';

const mostBytes = 4 << 20;

/** Reads a configuration, in YAML or JSON (which YAML includes). @throws VioError VIO_SWITCH_CONFIG */
export async function readConfig(file: string): Promise<SwitchConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw switchError(
      'CONFIG',
      `the configuration ${file} cannot be read`,
      'name a file this user may read',
      cause,
    );
  }
  if (text.length > mostBytes) {
    throw switchError(
      'CONFIG',
      `the configuration ${file} has ${text.length} bytes`,
      `at most ${mostBytes} are read`,
    );
  }
  return parseConfig(parseText(text, file));
}

function parseText(text: string, file: string): unknown {
  try {
    // Aliases that unfold to gigabytes are refused by the parser.
    return parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    const what = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw switchError(
      'CONFIG',
      `${file} is neither YAML nor JSON: ${what}`,
      'correct the line that is named',
      cause,
    );
  }
}
