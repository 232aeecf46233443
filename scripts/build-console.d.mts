/** Writes the page into `directory`. Answers the size of each file in bytes, by its path in it. */
export function buildConsole(directory: string): Promise<ReadonlyMap<string, number>>;
