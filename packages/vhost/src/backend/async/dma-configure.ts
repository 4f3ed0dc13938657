import type { VioError } from '@vio/native';
import { type OptionNames, checkOptions } from '@vio/native/internal';
import { asyncError } from './async-error.ts';
import { DmaChannel } from './dma-channel.ts';
import type { DmaEngine } from './dma-engine.ts';

/** How an engine is used. */
export interface DmaOptions {
  /** Packets that may be in flight in it at once, of all rings: a power of two, 64 to 32,768. Default 4096. */
  readonly descriptors?: number;
  /**
   * Told once, on the tick after the engine has broken a promise (`VIO_VHOST_ASYNC_ENGINE`): the calling thread copies in its place
   * then. Without it the error is an `uncaughtException`.
   */
  readonly onFault?: (error: VioError) => void;
}

const optionNames: OptionNames<DmaOptions> = { descriptors: true, onFault: true };
const defaultDescriptors = 4096;
const configured = new WeakMap<DmaEngine, DmaChannel>();

/**
 * Makes an engine known, before a channel uses it (`VhostDevice.asyncChannelRegister`).
 * @throws VioError VIO_VHOST_ASYNC_DMA when it is known already, VIO_OPTION_UNKNOWN; RangeError for a number of descriptors
 */
export function dmaConfigure(engine: DmaEngine, options: DmaOptions = {}): void {
  checkOptions('dmaConfigure', options, optionNames);
  const { descriptors = defaultDescriptors, onFault } = options;
  if (configured.has(engine)) throw asyncError('DMA', 'the DMA engine is configured already');
  const power = Number.isInteger(descriptors) && (descriptors & (descriptors - 1)) === 0;
  if (!power || descriptors < 64 || descriptors > 32_768)
    throw new RangeError(
      `an engine cannot have ${descriptors} descriptors: give a power of two, 64 to 32768`,
    );
  configured.set(engine, new DmaChannel(engine, descriptors, onFault));
}

/**
 * Lets an engine go.
 * @throws VioError VIO_VHOST_ASYNC_DMA when it is not configured, or a channel still uses it
 */
export function dmaUnconfigure(engine: DmaEngine): void {
  const dma = configuredDma(engine);
  if (dma.users > 0)
    throw asyncError('DMA', `the DMA engine is in use: ${dma.users} channels are registered with it`);
  configured.delete(engine);
  dma.end();
}

/** @throws VioError VIO_VHOST_ASYNC_DMA */
export function configuredDma(engine: DmaEngine): DmaChannel {
  const dma = configured.get(engine);
  if (dma === undefined) throw asyncError('DMA', 'the DMA engine is not configured');
  return dma;
}
