/** Bundles the program into `directory`, which is emptied first. Returns the source files, relative to the root. */
export function buildProgram(directory: string): Promise<readonly string[]>;
