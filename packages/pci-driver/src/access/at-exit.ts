/** What is to be done when the process ends by itself: one listener, however many devices are open. */
const pending = new Set<() => void>();

function runAll(): void {
  for (const run of pending) run();
}

/** @param run what must not wait, and must not throw. @returns takes it back */
export function atExit(run: () => void): () => void {
  if (pending.size === 0) process.on('exit', runAll);
  pending.add(run);
  return () => {
    pending.delete(run);
    if (pending.size === 0) process.off('exit', runAll);
  };
}
