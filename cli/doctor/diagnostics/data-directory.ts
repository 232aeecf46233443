import { access, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '../../../service/bytes.ts';
import { errorCode } from '../../../service/files.ts';
import { ok, problem, unknown, warning, worstResult } from '../../../service/diagnostic.ts';
import type { DiagnosticResult } from '../../../service/diagnostic.ts';
import { readFreeSpace } from '../../../service/free-space.ts';
import { lockHolder } from '../../../service/lock.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';
import { AS_OWNER, examineFreeSpace, modeText, nearestExisting, whyNotWritable } from '../place.ts';

/** f_type of statfs(2), from linux/magic.h and the headers of the file systems. */
const NETWORK_FILE_SYSTEMS = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x19830326, 'BeeGFS'],
  [0x47504653, 'GPFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
]);
const VOLATILE_FILE_SYSTEMS = new Map([
  [0x01021994, 'tmpfs: the data is lost when the machine restarts'],
  [0x858458f6, 'ramfs: the data is lost when the machine restarts'],
  [0x794c7630, 'overlayfs: in a container, the data is lost when the container is removed'],
  [0x65735546, 'FUSE: the program behind it decides whether written data is kept'],
]);

const CHOOSE_ANOTHER = 'choose another directory: --data-dir DIR';

/** Does the data directory exist, is it private and writable, and on a disk with free space? Who uses it? */
export const dataDirectory: InstallationDiagnostic = Object.freeze({
  id: 'data-directory',
  title: 'data directory',
  run: async ({ collector: { dataDir }, uid }: Installation) => {
    const directory = await examineDirectory(dataDir, uid);
    if (directory.outcome === 'problem') return directory;
    const existing = await nearestExisting(dataDir);
    return worstResult([
      directory,
      await examineSpace(existing),
      await examineFileSystem(existing),
      await examineLocks(dataDir),
    ]);
  },
});

async function examineDirectory(path: string, uid: number): Promise<DiagnosticResult> {
  try {
    const found = await stat(path);
    if (!found.isDirectory()) return problem(`${path} is not a directory`, CHOOSE_ANOTHER);
    return await judgeDirectory(path, { mode: found.mode, owner: found.uid, uid });
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return examineAbsent(path);
    if (code === 'ENOTDIR') return problem(`${path}: a parent is not a directory`, CHOOSE_ANOTHER);
    return unknown(`${path}: ${code}`, AS_OWNER);
  }
}

interface Found {
  readonly mode: number;
  readonly owner: number;
  readonly uid: number;
}

async function judgeDirectory(path: string, { mode, owner, uid }: Found): Promise<DiagnosticResult> {
  const observed = `${path}, mode ${modeText(mode)}, owner ${String(owner)}`;
  if ((mode & 0o022) !== 0)
    return problem(`${observed}: other users can put files in it and replace keys`, `chmod 700 ${path}`);
  const reason = await whyNotWritable(path);
  if (reason === 'EROFS')
    return problem(`${observed}: the file system is read-only`, `mount it writable, or ${CHOOSE_ANOTHER}`);
  if (reason !== undefined)
    return problem(
      `${observed}: user ${String(uid)} cannot write to it`,
      `run this as the user who runs the collector or agent, or ${CHOOSE_ANOTHER}`,
    );
  if (owner !== uid)
    return warning(
      `${observed}: it belongs to another user than this one (${String(uid)})`,
      'chown it, or run this as its owner',
    );
  return ok(`${observed}, writable`);
}

async function examineAbsent(path: string): Promise<DiagnosticResult> {
  const parent = await nearestExisting(path);
  const reason = await whyNotWritable(parent);
  return reason === undefined
    ? ok(`${path} does not exist yet: the first start creates it`)
    : problem(`${path} does not exist and cannot be created in ${parent}: ${reason}`, CHOOSE_ANOTHER);
}

async function examineSpace(path: string): Promise<DiagnosticResult> {
  const space = await readFreeSpace(path);
  const { freeBytes, totalBytes, freeFiles } = space;
  const files = freeFiles !== undefined && freeFiles < 1_000 ? `, ${String(freeFiles)} inodes` : '';
  return examineFreeSpace(
    space,
    `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)}${files} free`,
    'free space, keep less history (--history-retention), or choose another --data-dir',
  );
}

/** SQLite needs a local file system that keeps what it writes. */
async function examineFileSystem(path: string): Promise<DiagnosticResult> {
  // Sign-extended on 32-bit systems.
  const type = (await statfs(path)).type >>> 0;
  const network = NETWORK_FILE_SYSTEMS.get(type);
  if (network !== undefined)
    return problem(
      `${network} is a network file system: SQLite's write-ahead log needs shared memory and does not work on it`,
      'choose a directory on a local disk: --data-dir DIR',
    );
  const volatile = VOLATILE_FILE_SYSTEMS.get(type);
  return volatile === undefined ? ok('') : warning(volatile, 'choose a directory on a disk or a mounted volume');
}

const LOCKS = Object.freeze([
  { name: 'plimsoll up', path: ['up.lock'] },
  { name: 'a collector', path: ['collector.lock'] },
  { name: 'an agent', path: ['agent', 'lock'] },
]);

/** Which programs use the directory now. */
async function examineLocks(dataDir: string): Promise<DiagnosticResult> {
  const users: string[] = [];
  for (const { name, path } of LOCKS) {
    const file = join(dataDir, ...path);
    const code = await access(file).then(() => undefined, errorCode);
    if (code === 'EACCES') return unknown(`${file}: ${code}`, AS_OWNER);
    if (code !== undefined) continue;
    const pid = lockHolder(file);
    // Only the kernel knows which of the two: takeLock() asks it, but would write a file.
    users.push(
      pid === undefined
        ? `${name} that was killed or runs in another PID namespace`
        : `${name}, process ${String(pid)}`,
    );
  }
  return ok(users.length === 0 ? 'not in use' : `used by ${users.join('; ')}`);
}
