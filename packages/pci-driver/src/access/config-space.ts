import type { Registers } from '@vio/native';

/** Registers of PCI configuration space that every device has (PCI Local Bus 3.0, 6.2). */
export const configCommand = 0x04;
const COMMAND_IO = 1;
const COMMAND_MEMORY = 2;
const COMMAND_MASTER = 4;
const COMMAND_INTX_DISABLE = 0x400;

/** Lets the device answer accesses and reach memory. */
export function enableDevice(config: Registers): void {
  const command = config.read(configCommand, 2);
  config.write(configCommand, 2, command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

/** From now on the device cannot reach memory, whatever it still believes. */
export function disableBusMaster(config: Registers): void {
  config.write(configCommand, 2, config.read(configCommand, 2) & ~COMMAND_MASTER);
}

export function setLineEnabled(config: Registers, enabled: boolean): void {
  const command = config.read(configCommand, 2);
  config.write(configCommand, 2, enabled ? command & ~COMMAND_INTX_DISABLE : command | COMMAND_INTX_DISABLE);
}
