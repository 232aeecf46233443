import { constants, open } from 'node:fs/promises';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { isOperatorToken, MIN_TOKEN_CHARACTERS } from '../../../service/operator-token.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, modeText } from '../place.ts';

/** A token is 43 characters; what is longer is another file. */
const MAX_BYTES = 1024;

/** Is the file of the operator token readable by its owner only, and does it hold one? Its content is never told. */
export const operatorToken: InstallationDiagnostic = Object.freeze({
  id: 'token.file',
  group: 'operator token',
  title: 'file',
  run: async ({ collector: { tokenFile } }: Installation) => {
    try {
      return await examineFile(tokenFile);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR')
        return ok(`${tokenFile} is not there yet: a collector makes it at its first start`);
      return unknown(`${tokenFile}: ${code}`, AS_OWNER);
    }
  },
});

async function examineFile(path: string): Promise<DiagnosticResult> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return problem(`${path} is no regular file`, 'remove it, and a new one is made');
    if ((stats.mode & 0o077) !== 0)
      return problem(
        `${path} has mode ${modeText(stats.mode)}: others can read it; no collector starts with it`,
        `if nobody did: chmod 600 ${path}; otherwise remove it, and a new one is made`,
      );
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    if (!isOperatorToken(buffer.toString('latin1', 0, bytesRead).trim()))
      return problem(
        `${path} holds no token of at least ${String(MIN_TOKEN_CHARACTERS)} characters`,
        'remove it, and a new one is made; or put in a long random word of letters and digits',
      );
    return ok(`${path}, mode ${modeText(stats.mode)}`);
  } finally {
    await file.close();
  }
}
