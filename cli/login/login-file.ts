import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as s from '../../posture/schema.ts';
import { errorCode, makePrivateDirectory, PRIVATE_FILE, writeFileAtomic } from '../../service/files.ts';

/** Tokens of an issuer are a few KiB each. */
const MAX_BYTES = 64 * 1024;
const MAX_TOKEN = 16 * 1024;

const loginSchema = s.object({
  api: s.string('URL of the operator API that the token is for', 512),
  issuer: s.string('', 2048),
  clientId: s.string('', 256),
  ca: s.string('path of the authorities of the issuer, or `system`', 4096),
  subject: s.string('', 256),
  idToken: s.string('', MAX_TOKEN),
  refreshToken: s.string('empty: none', MAX_TOKEN),
  expiresMs: s.integer('end of the ID token'),
});

/** A person who is signed in to one collector. */
export type Login = s.Infer<typeof loginSchema>;

/** What is stored; `problem`: a file is there that must not be used, and why. */
export type StoredLogin = { readonly login: Login | undefined } | { readonly path: string; readonly problem: string };

/** The sign-in to the operator API at `api`. Never rejects. */
export async function readLogin(directory: string, api: string): Promise<StoredLogin> {
  const path = pathOf(directory, api);
  try {
    // Never through a link, and a FIFO in its place cannot hold us up.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return { path, problem: 'it is not a regular file' };
      if (stat.uid !== process.getuid?.()) return { path, problem: 'it belongs to another user' };
      if ((stat.mode & 0o077) !== 0) return { path, problem: 'other users can read it' };
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      const parsed = loginSchema.parse(JSON.parse(buffer.toString('utf8', 0, bytesRead)));
      if (!parsed.ok || parsed.value.api !== api) return { path, problem: 'it is damaged' };
      return { login: parsed.value };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof SyntaxError) return { path, problem: 'it is damaged' };
    return errorCode(error) === 'ENOENT' ? { login: undefined } : { path, problem: errorCode(error) };
  }
}

/** Stores a sign-in for its owner only, in place of the one to the same API. Rejects with the error of the system. */
export async function writeLogin(directory: string, login: Login): Promise<void> {
  await makePrivateDirectory(directory);
  await writeFileAtomic(pathOf(directory, login.api), `${JSON.stringify(login)}\n`, PRIVATE_FILE);
}

/** Removes the sign-in to the operator API at `api`, if there is one. Rejects with the error of the system. */
export async function removeLogin(directory: string, api: string): Promise<void> {
  await rm(pathOf(directory, api), { force: true });
}

function pathOf(directory: string, api: string): string {
  return join(directory, `${createHash('sha256').update(api).digest('hex').slice(0, 16)}.json`);
}
