// The device plugin as it is published: what it brings of other modules finds Node's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../install/tarballs.ts';

it('offers its ports, and turns to the kubelet', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vio-kubelet-'));
  const at = (file: string): string => join(directory, file);
  const kubelet = createServer().listen(at('kubelet.sock'));
  const signal = AbortSignal.timeout(30_000); // before the test's own, so that nothing is left running
  const turned = once(kubelet, 'connection', { signal }).then(([socket]: { destroy(): void }[]) =>
    socket.destroy(),
  );
  const file = join(root, 'packages/cni/bin/vio-device-plugin.js');
  const places = ['--directory', directory, '--socket-dir', at('ports'), '--control', at('control.sock')];
  const program = spawn(process.execPath, [file, ...places], { stdio: 'ignore' });
  try {
    await turned;
    expect(existsSync(at('vio.sock'))).toBe(true);
  } finally {
    program.kill();
    kubelet.close();
    rmSync(directory, { recursive: true });
  }
});
