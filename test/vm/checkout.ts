import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the sources of these suites are, also for what runs compiled, from test/dist/vm. */
export const here = dirname(fileURLToPath(import.meta.url)).replace(/test\/dist\/vm$/, 'test/vm');

/** This checkout, which a guest sees at the same place. */
export const repository = join(here, '../..');
