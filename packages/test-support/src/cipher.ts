import { createCipheriv } from 'node:crypto';

/**
 * What OpenSSL makes of whole blocks, without padding.
 * @param name as in `aes-128-cbc` @param iv null of modes without one
 */
export function encrypted(name: string, key: Uint8Array, iv: Uint8Array | null, data: Uint8Array): Buffer {
  const cipher = createCipheriv(name, key, iv);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}
