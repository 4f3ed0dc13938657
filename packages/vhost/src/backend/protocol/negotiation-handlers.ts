import { vhostError } from '../errors/vhost-error.ts';
import type { HandlerTable } from './handler.ts';

/** What the two sides agree on before there are rings. */
export const negotiationHandlers = {
  GET_FEATURES: ({ offered }) => offered,
  SET_FEATURES: ({ device, offered }, features) => {
    if ((features & ~offered) !== 0n) {
      throw vhostError('FEATURES', `features 0x${(features & ~offered).toString(16)} were never offered`);
    }
    device.setFeatures(features);
  },
  SET_OWNER: () => {},
  RESET_OWNER: ({ device }) => device.reset(),
  GET_PROTOCOL_FEATURES: ({ offeredProtocol }) => offeredProtocol,
  SET_PROTOCOL_FEATURES: ({ device, offeredProtocol }, features) => {
    if ((features & ~offeredProtocol) !== 0n) {
      throw vhostError('FEATURES', `protocol features 0x${features.toString(16)} go beyond what was offered`);
    }
    device.protocolFeatures = features;
  },
  GET_QUEUE_NUM: ({ queueNum }) => queueNum,
} satisfies HandlerTable;
