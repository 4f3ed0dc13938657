import { SharedMemory, VioError, closeFd } from '@vio/native';
import {
  type DeviceQueue,
  type DeviceQueueOptions,
  type InflightMemory,
  type RingFormat,
  createDeviceQueue,
  createTrackedDeviceQueue,
  inflightBytes,
} from '@vio/rings';
import { InflightEntries, forgetIfIdle, isTracked } from '@vio/rings/internal';
import type { Inflight } from '../../wire/index.ts';
import { vhostError } from '../errors/vhost-error.ts';

/**
 * The memory in which rings note down what they have in flight (vhost-user, "Inflight I/O tracking"). The frontend
 * keeps it when this process ends, and hands it to the next one.
 */
export class InflightBuffer implements Disposable {
  readonly #memory: SharedMemory;
  readonly #area: Inflight;

  private constructor(memory: SharedMemory, area: Inflight) {
    this.#memory = memory;
    this.#area = area;
  }

  /** GET_INFLIGHT_FD: an empty one for the frontend. It goes to the frontend, and comes back with SET_INFLIGHT_FD. */
  static create(
    format: RingFormat,
    queues: number,
    queueSize: number,
  ): { memory: SharedMemory; area: Inflight } {
    const mmapSize = queues * inflightBytes(format, queueSize);
    const memory = SharedMemory.create({ size: mmapSize, name: 'vio-inflight', populate: false });
    return { memory, area: { mmapSize, mmapOffset: 0, queues, queueSize } };
  }

  /** SET_INFLIGHT_FD. Takes the descriptor. @throws VioError VIO_VHOST_MEMORY when the buffer lies beyond its file */
  static map(area: Inflight, fd: number): InflightBuffer {
    try {
      const memory = SharedMemory.map(fd, { offset: area.mmapOffset, size: area.mmapSize });
      return new InflightBuffer(memory, area);
    } catch (cause) {
      throw new VioError('the inflight buffer of the frontend cannot be mapped', {
        code: 'VIO_VHOST_MEMORY',
        remedy:
          'the frontend must hand back the buffer it was given, as large as it says, from a whole page on',
        cause,
      });
    } finally {
      closeFd(fd);
    }
  }

  /** True once the frontend truncated the file under us. */
  get faulted(): boolean {
    return this.#memory.faulted;
  }

  /** The part of a ring; undefined: the buffer is not for this ring. @throws VioError VIO_VHOST_INFLIGHT when it does not fit */
  of(index: number, format: RingFormat, size: number): InflightMemory | undefined {
    const { queues, queueSize, mmapSize } = this.#area;
    if (index >= queues) return undefined;
    const bytes = inflightBytes(format, queueSize);
    if (size > queueSize || queues * bytes > mmapSize) {
      throw vhostError(
        'INFLIGHT',
        `an inflight buffer of ${mmapSize} bytes for ${queues} rings of ${queueSize} does not do for ring ${index} of ${size}`,
      );
    }
    return { buffer: this.#memory.buffer, offset: index * bytes };
  }

  /** True when a predecessor left notes for this ring. @throws as `of` */
  resumes(index: number, format: RingFormat, size: number): boolean {
    const memory = this.of(index, format, size);
    return memory !== undefined && isTracked(memory, format, size);
  }

  /** A ring's journal by its entries; undefined: it has none. @throws as `of` */
  entries(index: number, format: RingFormat, size: number): InflightEntries | undefined {
    const memory = this.of(index, format, size);
    return memory === undefined ? undefined : new InflightEntries(memory, format, size);
  }

  /** A ring was stopped by its driver, who says where it goes on unless something was in flight. */
  stopped(index: number, format: RingFormat, size: number): void {
    const memory = this.of(index, format, size);
    if (memory !== undefined) forgetIfIdle(memory, format, size);
  }

  [Symbol.dispose](): void {
    this.#memory.close();
  }
}

/** The device side of a ring: one that notes down what it has in flight where there is a buffer for it. */
export function openDeviceQueue(
  inflight: InflightBuffer | undefined,
  index: number,
  options: DeviceQueueOptions,
): DeviceQueue {
  const journal = inflight?.of(index, options.features.format, options.size);
  return journal === undefined ? createDeviceQueue(options) : createTrackedDeviceQueue(options, journal);
}
