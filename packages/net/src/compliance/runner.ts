/** The test runner's functions, handed in so that this package depends on none. */
export interface ComplianceRunner {
  /** Declares a group of tests. */
  readonly describe: (name: string, body: () => void) => unknown;
  /** Declares a test, which fails if the promise is rejected. */
  readonly it: (name: string, body: () => Promise<void>) => unknown;
}
