/** Why a queue stopped: the peer wrote something that no correct peer writes. A broken queue moves nothing. */
export interface QueueFault {
  /** What is wrong, for programs. */
  readonly code: QueueFaultCode;
  /** What was read, and what was allowed, in one sentence. */
  readonly detail: string;
}

/** What a peer can do wrong in a ring. */
export type QueueFaultCode =
  | 'USED_INDEX_JUMPED'
  | 'USED_ID_INVALID'
  | 'AVAIL_INDEX_JUMPED'
  | 'DESCRIPTOR_INDEX_INVALID'
  | 'DESCRIPTOR_LOOP'
  | 'DESCRIPTOR_ORDER'
  | 'DESCRIPTOR_EMPTY'
  | 'CHAIN_TOO_LONG'
  | 'ADDRESS_UNMAPPED'
  | 'INDIRECT_NOT_NEGOTIATED'
  | 'INDIRECT_LENGTH'
  | 'INDIRECT_NESTED'
  | 'INDIRECT_WITH_NEXT'
  | 'HEADER_INVALID'
  | 'MEMORY_FAULTED'
  | 'BASE_UNKNOWN';
