/** Virtio's number of a network card among the types of devices (virtio 1.4, section 5). */
export const networkCard = 1;
