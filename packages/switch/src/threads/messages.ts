import { VioError } from '@vio/native';
import type { AskingHandle } from './asking.ts';
import type { PortSight, ThreadOrder } from './switch-thread.ts';
import type { TrunkHandle } from './trunk-memory.ts';

/** What another thread is given when it starts. */
export interface ThreadStart {
  /** Its number. */
  readonly number: number;
  readonly trunks: readonly {
    readonly thread: number;
    readonly from: TrunkHandle;
    readonly to: TrunkHandle;
    readonly counters: SharedArrayBuffer;
  }[];
  readonly asking: AskingHandle;
}

/** What it is told. Every order is answered by its number. */
export interface NumberedOrder {
  readonly id: number;
  readonly order: ThreadOrder;
}

/** What it is asked; undefined: how many ports are awake. */
export type Question = { readonly port: number; readonly what: keyof PortSight } | undefined;

/** An error, as messages carry it. */
export interface SentError {
  readonly message: string;
  readonly code: string;
  readonly remedy: string;
  readonly retryable: boolean;
}

/** What it says. */
export type ThreadReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly error: SentError | undefined }
  | { readonly kind: 'changed'; readonly port: number; readonly connected: boolean }
  | {
      readonly kind: 'trouble';
      readonly port: number;
      readonly what: string;
      readonly reason: Pick<VioError, 'code' | 'message'>;
    };

export function sentError({ message, code, remedy, retryable }: VioError): SentError {
  return { message, code, remedy, retryable };
}

export function receivedError({ message, ...details }: SentError): VioError {
  return new VioError(message, details);
}
