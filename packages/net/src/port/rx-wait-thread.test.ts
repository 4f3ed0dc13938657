import { afterAll } from 'vitest';

// Once more where a thread watches the eventfds, as in Bun and Deno: it sees at once what the event loop looks at later.
process.env['VIO_FD_WATCHER'] = 'thread';
afterAll(() => {
  delete process.env['VIO_FD_WATCHER'];
});
await import('./rx-wait.test.ts');
await import('./rx-interrupt.test.ts');
await import('./rx-calls.test.ts');
