import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ChildResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code, or the name of the signal that ended the child. */
  readonly end: number | string;
}

/** Both entries of the built package. */
export const built = ['index', 'internal'].map(
  (name) => new URL(`../../dist/${name}.js`, import.meta.url).href,
);

/**
 * Runs the body of a module in a process of its own, on the built package; its exports are in `native`, and what
 * `print` is given comes back as JSON lines. `startWorker(body, workerData)` runs one more body in a thread.
 * @param under a command that starts it, such as `prlimit --nofile=64`
 */
export function runChild(body: string, under: readonly string[] = []): Promise<ChildResult> {
  const script = `const nativeOf = async (entries) => Object.assign({}, ...(await Promise.all(entries.map((entry) => import(entry)))));
    const native = await nativeOf(${JSON.stringify(built)});
    import { Worker as Thread } from 'node:worker_threads';
    const startWorker = (body, workerData = undefined) => new Thread(\`
      const { parentPort, workerData } = require('node:worker_threads');
      const nativeOf = \${nativeOf};
      nativeOf(${JSON.stringify(built)}).then(async (native) => { \${body} });\`, { eval: true, execArgv: [], workerData });
    const print = (value) => console.log(JSON.stringify(value));
    ${body}`;
  const [command, ...args] = [...under, process.execPath, '--input-type=module', '-e', script];
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 150_000, cwd: directory }, (error, stdout, stderr) => {
      resolve({ stdout, stderr, end: error === null ? 0 : (error.signal ?? error.code ?? 1) });
    });
  });
}

const directory = fileURLToPath(new URL('../..', import.meta.url));

/** Start of a body that may not be root: gives up all privileges if it has any. */
export const unprivileged = 'if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }';
