import { ContiguousMemory } from '@vio/native/internal';
import type { DmaMemory } from './pci-access.ts';

/**
 * Hugepages that a device reaches by their physical addresses. Other threads cannot map them: their order in the file is not
 * the order in memory.
 * @throws VioError VIO_HUGEPAGES, VIO_PAGEMAP_PERMISSION
 */
export function physicalMemory(bytes: number, hugepages: '2M' | '1G' = '2M'): DmaMemory {
  const memory = ContiguousMemory.create({ size: bytes, hugepages });
  const { buffer, address } = memory;
  return { buffer, address, fd: undefined, close: () => memory.close() };
}
