import { constants, open } from 'node:fs/promises';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { isOperatorToken, MIN_TOKEN_CHARACTERS } from '../../../service/operator-token.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, modeText } from '../place.ts';

/** A generated token has 43 characters. */
const MAX_BYTES = 1024;

/** Does the token file contain a token, and is it private? The result never contains the token. */
export const operatorToken: InstallationDiagnostic = Object.freeze({
  id: 'operator-token',
  title: 'operator token',
  run: async ({ collector: { tokenFile } }: Installation) => {
    try {
      return await examineFile(tokenFile);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR')
        return ok(`${tokenFile} does not exist yet: the first start of a collector creates it`);
      return unknown(`${tokenFile}: ${code}`, AS_OWNER);
    }
  },
});

async function examineFile(path: string): Promise<DiagnosticResult> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return problem(`${path} is not a regular file`, 'remove it: the collector creates a new one');
    if ((stats.mode & 0o077) !== 0)
      return problem(
        `${path} has mode ${modeText(stats.mode)}: other users can read it, and no collector starts with it`,
        `if no one did: chmod 600 ${path}; otherwise remove it: the collector creates a new one`,
      );
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    if (!isOperatorToken(buffer.toString('latin1', 0, bytesRead).trim()))
      return problem(
        `${path} does not contain a token of at least ${String(MIN_TOKEN_CHARACTERS)} characters`,
        'remove it: the collector creates a new one; or write a long random string of letters and digits into it',
      );
    return ok(`${path}, mode ${modeText(stats.mode)}`);
  } finally {
    await file.close();
  }
}
