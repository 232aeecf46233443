import { seen, unreadable } from '../../../posture/observed.ts';
import type { CertificatesFact } from '../../../posture/fact/certificates.ts';
import type { NodeAccess } from '../../node-access.ts';
import { createLocalPaths, findHome, readOwned } from '../account/local-path.ts';
import type { LocalPaths } from '../account/local-path.ts';
import { parsePasswd, refusesLogin } from '../account/password-files.ts';
import type { PasswdEntry } from '../account/password-files.ts';
import { clip } from '../clip.ts';
import { mapBounded } from '../map-bounded.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import { nodeMounts } from '../proc/node-mounts.ts';
import { readText, unseen } from '../read-text.ts';
import { parseCertificates } from './parse.ts';

type HomeCredentials = CertificatesFact['homeCredentials'];

const PASSWD = '/etc/passwd';
/** Group that the API server authorizes for everything. */
const ADMINISTRATORS = 'system:masters';
const MAX_ACCOUNTS = 128;
const MAX_FOUND = 32;
const MAX_BYTES = 512 * 1024;
/** Accounts that are read at a time: the threads that read files are four. */
const CONCURRENCY = 4;

/**
 * `~/.kube/config` of accounts that log in, where kubectl looks for credentials. Users write these files, so they are
 * judged for nothing but the group of administrators, and what one user does hides no file of another.
 */
export async function readHomeCredentials(access: NodeAccess): Promise<HomeCredentials> {
  const passwd = await readText(access.host, PASSWD, 1024 * 1024);
  if (!passwd.ok) return unseen(passwd, PASSWD);
  const users = parsePasswd(passwd.value).filter(({ uid, shell }) => uid !== 0 && !refusesLogin(shell));
  if (users.length === 0) return seen([], PASSWD);
  const mounts = await nodeMounts(access, '1');
  if (!mounts.ok) return unreadable('/proc/1/mountinfo', mounts.reason);
  const local = createLocalPaths(access.host, mounts.value.entries);
  const all = await mapBounded(users.slice(0, MAX_ACCOUNTS), CONCURRENCY, (user) => readOne(access, local, user));
  const found = all.flatMap((one) => (one.state === 'seen' ? one.value : []));
  const unread = all.find((one) => one.state === 'unreadable');
  if (found.length > 0) return seen(found.slice(0, MAX_FOUND), PASSWD);
  if (unread !== undefined) return unread;
  return users.length > MAX_ACCOUNTS
    ? unreadable(PASSWD, `more than ${String(MAX_ACCOUNTS)} accounts log in`)
    : seen([], PASSWD);
}

async function readOne(
  { host, cache }: NodeAccess,
  local: LocalPaths,
  { home, uid }: PasswdEntry,
): Promise<HomeCredentials> {
  const directory = await findHome(host, local, home);
  if (!directory.ok) return unseen(directory, clip(home, 4096));
  const path = `${directory.value.path}/.kube/config`;
  const read = await readOwned(host, local, directory.value, { path, uid, maxBytes: MAX_BYTES });
  if (!read.ok) return read.code === 'notRegular' ? seen([], path) : unseen(read, clip(path, 4096));
  const { found } = cache.parsed(NODE_SUBJECT, path, read.value.bytes, (bytes) =>
    parseCertificates(bytes.toString('latin1')),
  );
  const isOfAdministrator = found.some(
    ({ kubeconfig, organizations }) => kubeconfig && organizations.includes(ADMINISTRATORS),
  );
  return seen(isOfAdministrator ? [clip(path, 4096)] : [], path);
}
