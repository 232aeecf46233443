import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { ListenOptions, Server } from 'node:net';
import { dirname } from 'node:path';
import { errorCode } from '../service/files.ts';

/** First file descriptor that systemd passes, sd_listen_fds(3). */
const FIRST_DESCRIPTOR = 3;
/** Whoever can connect could ask how the policy decides; dockerd runs as root. */
const SOCKET_MODE = 0o600;

/** Where to listen. */
export interface ListenTarget {
  readonly path: string;
  /** The environment of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Listens on the socket that systemd holds, or, without one, on a new socket at `path`. systemd keeps its socket while
 * the process restarts, so that requests of dockerd wait instead of failing. Resolves to a description for the log.
 * Rejects with what stops it, with a `code` and a `hint`.
 */
export async function listen(server: Server, { path, environment }: ListenTarget): Promise<string> {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = environment;
  if (pid === String(process.pid) && count !== undefined) {
    if (count !== '1')
      throw failure('EINVAL', 'systemd passes several sockets', 'name one ListenStream in the socket unit');
    await opened(server, { fd: FIRST_DESCRIPTOR });
    return 'socket of systemd';
  }
  await removeUnused(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const mask = process.umask(0o177);
  try {
    await opened(server, { path });
  } catch (error) {
    const code = errorCode(error);
    throw failure(
      code,
      `cannot listen on ${path}: ${code}`,
      'run it as root, or name another path: --plugin-socket PATH',
    );
  } finally {
    process.umask(mask);
  }
  await chmod(path, SOCKET_MODE);
  return path;
}

function opened(server: Server, options: ListenOptions | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options as ListenOptions, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Removes a socket that nobody listens on. Anything else at this path is not ours. */
async function removeUnused(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isSocket()) throw failure('EEXIST', `${path} exists and is no socket`, 'name another path');
  if (await answers(path))
    throw failure('EADDRINUSE', `another process listens on ${path}`, 'end it first: systemctl stop plimsoll-authz');
  await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function failure(code: string, message: string, hint: string): Error {
  return Object.assign(new Error(message), { code, hint });
}
