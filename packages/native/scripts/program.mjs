// Whether there is a program, before it is started.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @param {string} program a name, or a path
 * @param {string | undefined} path the environment's PATH
 * @returns {boolean} whether there is such a program
 */
export function isProgram(program, path) {
  const places = program.indexOf('/') >= 0 ? [''] : (path || '').split(delimiter);
  return places.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
