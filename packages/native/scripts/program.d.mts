/** @returns whether there is such a program: a path, or a name in one of the directories of `path` (as in `PATH`) */
export function isProgram(program: string, path: string | undefined): boolean;
