import { addon } from './addon.ts';
import { attempt } from './system-error.ts';

/** Processors the calling thread may run on. */
export function cpuAffinity(): number[] {
  return attempt(() => addon.getAffinity(), 'read the CPU affinity');
}

/** Binds the calling thread to processors, by number. @throws VioError VIO_SYS_EINVAL when none of them exists */
export function setCpuAffinity(cpus: readonly number[]): void {
  attempt(() => addon.setAffinity(cpus), `run on processors ${cpus.join(', ')}`);
}

/** What the processor can do that a kernel of this package may use. */
export interface CpuFeatures {
  /** `process.arch` */
  readonly arch: string;
  /** It has AVX2 (x86-64). */
  readonly avx2: boolean;
  /** It has AVX-512 Foundation (x86-64). */
  readonly avx512f: boolean;
  /** It has NEON (arm64). */
  readonly neon: boolean;
}

/** Vector instructions this processor has. */
export function cpuFeatures(): CpuFeatures {
  return { arch: process.arch, ...addon.cpuFeatures() };
}
