/** The same query on the command line, for a POSIX shell. Nodes by name or id. */
export function commandLine(expression: string, nodes: readonly string[], deadlineMs: number): string {
  const words = ['plimsoll', 'query', shellWord(expression)];
  for (const node of nodes) words.push('--node', shellWord(node));
  if (deadlineMs !== DEFAULT_DEADLINE_MS) words.push('--deadline', `${String(deadlineMs / 1000)}s`);
  return words.join(' ');
}

/** How long a query waits where nothing is said. */
export const DEFAULT_DEADLINE_MS = 5000;

/** One word for the shell: between single quotes nothing has a meaning but the quote itself. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
