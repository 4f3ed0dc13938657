// A kernel's module with one instruction changed, for what a stock kernel refuses and later ones may not.

/** At the end of a signed module; before it the length of the signature, and before that the signature (kernel/module/signing.c). */
const signed = Buffer.from('~Module signature appended~\n');
/** `test $0x20000,%eax`: whether VIRTIO_NET_F_CTRL_VQ is among the features of a network card (features_is_valid). */
const controlQueue = Buffer.of(0xa9, 0, 0, 2, 0);

/**
 * VDUSE of Linux 6.12 refuses network cards with a control queue, because a server that does not answer could hang the driver.
 * This one takes them.
 * @throws Error when it is not the module that is known here
 */
export function withControlQueues(module: Buffer): Buffer {
  const bare = Buffer.from(unsigned(module));
  const at = bare.indexOf(controlQueue);
  if (at < 0 || bare.indexOf(controlQueue, at + 1) >= 0)
    throw new Error('the module vduse is another one: look for features_is_valid in it');
  bare.fill(0, at + 1, at + controlQueue.length);
  return bare;
}

function unsigned(module: Buffer): Buffer {
  const end = module.length - signed.length;
  if (!module.subarray(end).equals(signed)) return module;
  return module.subarray(0, end - 12 - module.readUInt32BE(end - 4));
}
