import { stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { writeFileAtomic } from '../../service/files.ts';
import type { Option } from '../command.ts';
import type { Context } from '../context.ts';

/** Steps of a pipeline that run as other users read the report. */
const OUTPUT_MODE = 0o644;

/** `--output-file`, for commands whose output pipelines keep. */
export const OUTPUT_FILE_OPTION: Option = Object.freeze({
  name: 'output-file',
  value: 'FILE',
  completes: 'file',
  summary: 'write the output there, and print the table',
});

/** Replaces a regular file as a whole: a pipeline that ends early must not find half a report. Rejects if it cannot. */
export async function writeOutput({ workingDirectory }: Context, file: string, text: string): Promise<void> {
  const path = resolve(workingDirectory, file);
  const existing = await stat(path).catch(() => undefined);
  // A device or pipe, such as /dev/stdout, is written to. To replace it would take it from everybody.
  if (existing?.isFile() === false) await writeFile(path, text);
  else await writeFileAtomic(path, text, OUTPUT_MODE);
}
