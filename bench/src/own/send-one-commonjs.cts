// As send-one.ts, but CommonJS, as whoever counts milliseconds would write it: Node has no module loader of its own to start then.
type Package = typeof import('@vio/virtio-user', { with: { 'resolution-mode': 'import' } });

async function main({ openVirtioUser }: Package): Promise<void> {
  const port = await openVirtioUser(`net_virtio_user0,path=${process.argv[2]}`);
  await port.send(new Uint8Array(64).fill(0xff));
  process.stdin.resume().on('end', () => void port.close());
}

void main(require('@vio/virtio-user') as Package);
