import { join } from 'node:path';

/** The `vio` of this checkout, a script of Node's. */
export const vioProgram = join(import.meta.dirname, '../../packages/cli/bin/vio.js');
