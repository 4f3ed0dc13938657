import { expect, it } from 'vitest';
import { openDevargs } from './open-devargs.ts';

it('a card is looked for whatever is said of backends, which it has none of', async () => {
  await expect(openDevargs('ffff:ff:1f.7', { reconnect: true })).rejects.toMatchObject({
    code: expect.stringMatching(/^VIO_PCI_/),
  });
});
