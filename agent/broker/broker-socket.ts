import { chmod, mkdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { errorCode } from '../../service/files.ts';

/** The group of the broker may connect: the agent runs with that group. */
const SOCKET_MODE = 0o660;
const DIRECTORY_MODE = 0o750;
const MAX_CONNECTIONS = 4;
/** Bit of st_mode, inode(7). */
const OTHERS_WRITE = 0o002;

/**
 * Listens on a unix socket that only the owner and the group of this process can connect to. Node.js offers no
 * SO_PEERCRED, so the permissions of directory and socket decide who may speak. Creates the directory where it is missing.
 * Rejects where others can write to the directory, or another broker listens there.
 */
export async function listenOnSocket(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const directory = dirname(path);
  await mkdir(directory, { mode: DIRECTORY_MODE }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  const { mode } = await stat(directory);
  if ((mode & OTHERS_WRITE) !== 0)
    throw startError(
      `everybody can write to ${directory}, and could replace the socket of the broker`,
      `choose a directory that does not exist yet, or chmod o-w ${directory}`,
    );
  if (await isServed(path))
    throw startError(`another broker listens on ${path}`, 'end it first, or choose another --socket');
  await unlink(path).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
  const server = createServer(onConnection);
  // One agent, and who asks what the broker is. Further connections are closed at once.
  server.maxConnections = MAX_CONNECTIONS;
  const umaskBefore = process.umask(0o117);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(path, resolve);
    });
  } finally {
    process.umask(umaskBefore);
  }
  await chmod(path, SOCKET_MODE);
  return server;
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => resolve(true)).once('error', () => resolve(false));
    probe.once('connect', () => probe.destroy());
  });
}

function startError(message: string, hint: string): Error {
  return Object.assign(new Error(message), { code: 'BROKER_SOCKET', hint });
}
