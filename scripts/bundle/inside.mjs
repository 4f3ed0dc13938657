/**
 * What comes in although it is a dependency: a module of CommonJS, which takes longest to load, and parts of a sibling that have no
 * state and are smaller than what it costs to find one more file.
 */
export const inside = new Set([
  'eventemitter3',
  '@vio/native/timeouts',
  '@vio/net/internal/http',
  '@vio/net/internal/mac-address',
]);
