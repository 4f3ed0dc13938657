/** @returns the name of this machine's target: what is built here, and what is loaded */
export function hostTarget(): string;

/** @returns where what is built for a target is, below `prebuilds/` */
export function placeOf(name: string): { readonly directory: string; readonly file: string };
