import { randomBytes } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../service/files.ts';
import { isOperatorToken, MIN_TOKEN_CHARACTERS } from '../service/operator-token.ts';
import { StartError } from './start-error.ts';

/** Random bytes of a token that we make. */
const TOKEN_BYTES = 32;
const MAX_BYTES = 1024;

/**
 * The bearer token of the operator API: from `path`, or made there (256 random bits, base64url, mode 0600) if there is
 * none. Throws {@link StartError} if others can read it or it is not a valid token.
 */
export async function ensureOperatorToken(path: string): Promise<string> {
  try {
    const kept = await readToken(path);
    if (kept !== undefined) return kept;
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    await makePrivateDirectory(dirname(path));
    await writeFileAtomic(path, `${token}\n`, PRIVATE_FILE);
    return token;
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw refused(
      path,
      `cannot be read or written: ${errorCode(error)}`,
      'choose another with --token-file FILE',
      error,
    );
  }
}

/** Undefined where there is no file. */
async function readToken(path: string): Promise<string | undefined> {
  // Non-blocking, so that a FIFO in its place cannot hold us up.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw refused(path, 'is no regular file', `remove it, and a new one is made`);
    if ((stat.mode & 0o077) !== 0)
      throw refused(path, 'can be read by others', `if nobody did: chmod 600 ${path}; otherwise remove it`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    const token = buffer.toString('latin1', 0, bytesRead).trim();
    if (isOperatorToken(token)) return token;
    throw refused(
      path,
      `holds no token of at least ${String(MIN_TOKEN_CHARACTERS)} characters`,
      'remove it, and a new one is made',
    );
  } finally {
    await file.close();
  }
}

function refused(path: string, problem: string, hint: string, cause?: unknown): StartError {
  return new StartError('token', `the operator token ${path} ${problem}`, hint, cause);
}
