import { describe, expect, it } from 'vitest';
import { backendRequest, backendRequests } from './backend-requests.ts';
import { frontendRequest, frontendRequests } from './frontend-requests.ts';
import { maxPayloadBytes } from './message-reader.ts';
import { protocolFeatureNames } from './protocol-features.ts';

describe('the table of requests', () => {
  it('has every request of a frontend, 1 to 44, once', () => {
    const ids = Object.values(frontendRequests).map(({ id }) => id);
    expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 44 }, (_, i) => i + 1));
  });

  it('has every request of a backend, 1 to 10, once', () => {
    const ids = Object.values(backendRequests).map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
  });

  it('names every row as its key', () => {
    const entries = Object.entries({ ...frontendRequests, ...backendRequests });
    expect(entries.map(([, { name }]) => name)).toEqual(entries.map(([key]) => key));
  });

  it('finds rows by the number on the wire', () => {
    expect(frontendRequest(5)).toBe(frontendRequests.SET_MEM_TABLE);
    expect(backendRequest(5)).toBe(backendRequests.BACKEND_VRING_ERR);
    expect(frontendRequest(0)).toBeUndefined();
    expect(frontendRequest(45)).toBeUndefined();
    expect(backendRequest(11)).toBeUndefined();
  });

  it('has no payload that the reader would refuse', () => {
    const rows = Object.values({ ...frontendRequests, ...backendRequests });
    const largest = Math.max(...rows.map((row) => Math.max(row.payload.maxBytes, row.reply?.maxBytes ?? 0)));
    expect(largest).toBeLessThanOrEqual(maxPayloadBytes);
  });

  it('answers exactly the requests that have an answer of their own', () => {
    const answered = Object.values(frontendRequests).filter(({ reply }) => reply !== undefined);
    expect(answered.toSorted((a, b) => a.id - b.id).map(({ name }) => name)).toEqual([
      'GET_FEATURES',
      'SET_LOG_BASE',
      'GET_VRING_BASE',
      'GET_PROTOCOL_FEATURES',
      'GET_QUEUE_NUM',
      'GET_CONFIG',
      'CREATE_CRYPTO_SESSION',
      'POSTCOPY_ADVISE',
      'POSTCOPY_END',
      'GET_INFLIGHT_FD',
      'GET_MAX_MEM_SLOTS',
      'GET_STATUS',
      'GET_SHARED_OBJECT',
      'SET_DEVICE_STATE_FD',
      'CHECK_DEVICE_STATE',
      'GET_SHMEM_CONFIG',
    ]);
  });
});

describe('the names of protocol features', () => {
  it('follow their bits', () => {
    expect(protocolFeatureNames(0b1_0000_0000_0000_1001n)).toEqual(['MQ', 'REPLY_ACK', 'STATUS']);
  });

  it('show bits without a name as such', () => {
    expect(protocolFeatureNames((1n << 22n) | (1n << 63n))).toEqual(['SHMEM', 'BIT_63']);
  });
});
