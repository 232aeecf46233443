/** Writes the page into `directory`. Returns the source files, relative to the root. */
export function buildConsole(directory: string): Promise<readonly string[]>;
