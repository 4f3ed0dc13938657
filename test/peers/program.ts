/** Another testpmd than the installed one: a path, or a name in PATH. */
export const testpmdVariable = 'VIO_TESTPMD';

/** The testpmd that is used: Debian's, unless the environment names another. */
export const testpmdProgram = process.env[testpmdVariable] || 'dpdk-testpmd';
