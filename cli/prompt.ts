import type { Prompter } from './context.ts';

/** Whoever sits at this terminal; undefined if standard input or the stream for questions is not a terminal. */
export function prompterAt(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Prompter | undefined {
  if (!input.isTTY || !output.isTTY) return undefined;
  return {
    ask: async (question) => {
      const { createInterface } = await import('node:readline/promises');
      const lines = createInterface({ input, output });
      // Ctrl-D and Ctrl-C: an answer will not come any more.
      const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
      try {
        return (await Promise.race([lines.question(question), ended])).trim();
      } finally {
        lines.close();
      }
    },
  };
}
