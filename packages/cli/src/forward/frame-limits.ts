// Of the frames that are made. Loads nothing: options are checked before anything is.

/** Bytes of the headers alone. */
export const leastFrame = 42;
export const mostFrame = 9728;
/** Segments of a frame: a ring has to have room for them. */
export const mostSegments = 255;
