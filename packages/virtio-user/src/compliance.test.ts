import { describePortCompliance } from '@vio/net/testing';
import { EchoBackend } from '@vio/vhost/testing';
import { describe, it, vi } from 'vitest';
import { openVirtioUser } from './open.ts';

const runner = { describe, it };

describe.each(['native', 'typescript'])('bursts moved in %s:', (kernels) => {
  const layouts = ['packed_vq=0', 'packed_vq=1', 'packed_vq=1,in_order=0', 'mrg_rxbuf=0'];
  // A vectorised path is native always.
  const vectorized = kernels === 'native' ? ['vectorized=1', 'packed_vq=1,mrg_rxbuf=0,vectorized=1'] : [];
  for (const devargs of [...layouts, ...vectorized]) {
    describePortCompliance(
      `a virtio-user port with ${devargs}`,
      async () => {
        vi.stubEnv('VIO_KERNELS', kernels);
        const backend = await new EchoBackend().start();
        const port = await openVirtioUser(`net_virtio_user0,path=${backend.path},${devargs}`);
        return {
          port,
          close: () => port.close(),
          async after() {
            vi.unstubAllEnvs();
            await backend[Symbol.asyncDispose]();
          },
        };
      },
      runner,
    );
  }
});

describePortCompliance(
  'a virtio-user port on the simple transmit path',
  async () => {
    const backend = await new EchoBackend().start();
    const devargs = `net_virtio_user0,path=${backend.path},mrg_rxbuf=0,in_order=0,packed_vq=0`;
    const port = await openVirtioUser(devargs, { txqFlags: 0xf01 });
    if (port.paths.tx.path !== 'split simple Tx') throw new Error(`the path is ${port.paths.tx.path}`);
    return { port, close: () => port.close(), after: () => backend[Symbol.asyncDispose]() };
  },
  runner,
);
