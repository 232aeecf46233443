import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { SshdFact } from '../../../posture/fact/sshd.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { refusalText } from '../proc/daemon-identity.ts';
import type { CachedHost, ParseCache } from '../parse-cache.ts';
import { DEFAULT_CONFIG, parseSshdCommandLine } from './command-line.ts';
import { readConfiguration } from './configuration.ts';
import type { SshdConfiguration } from './configuration.ts';
import { enabledUnit } from './enabled-unit.ts';
import { findSshdListeners } from './listeners.ts';
import type { SshdListener } from './listeners.ts';

/** Bounds of the fact. */
const MAX_CONTEXTS = 256;
const MAX_FILES = 1024;
/** More are not judged. */
const MAX_LISTENERS = 8;
const DROP_IN_DIRECTORY = '/etc/ssh/sshd_config.d';

/** The SSH server: its configuration as it reads it, and how it runs. */
export const sshdInspector: Inspector<'sshd'> = {
  fact: 'sshd',
  needs: [],
  inspect: inspectSshd,
  watches: ({ sshd }) => [
    ...new Set([
      DEFAULT_CONFIG,
      DROP_IN_DIRECTORY,
      // A file that is added beside an included one may be included as well.
      ...sshd.files.map((path) => path.slice(0, path.lastIndexOf('/'))),
      ...sshd.files,
    ]),
  ],
};

/** What the processes that are called sshd say about the server of the node. */
interface Server {
  /** Those that listen. absent: none runs. unreadable: whether one runs is not known. */
  readonly running: Observed<readonly SshdListener[]>;
  /** Why it is not known which configuration is in force. */
  readonly doubt: string | undefined;
}

async function inspectSshd({ host, cache }: NodeAccess): Promise<SshdFact> {
  const { running, doubt } = await findServer({ host, cache });
  const listeners = running.state === 'seen' ? running.value : [];
  const configurations =
    doubt === undefined ? await readConfigurations(host, cache, listeners) : [doubtful(running.source, doubt)];
  const files = configurations.flatMap((each) => each.files);
  const [first] = configurations;
  const source = running.source;
  return {
    present: await presence(
      host,
      running,
      configurations.some(({ isPresent }) => isPresent),
    ),
    version: versionOf(listeners, configurations) ?? absent(source),
    loads: configurations.map(({ loads }) => loads).find(isNotAccepted) ?? first?.loads ?? absent(source),
    contexts: joinContexts(configurations.map(({ contexts }) => contexts)) ?? absent(source),
    files: [...new Set(files.map(({ path }) => clip(path, 4096)))].slice(0, MAX_FILES),
    modifiedAtMs: Math.max(0, ...files.map(({ modifiedAtMs }) => modifiedAtMs)),
    startedAtMs: Math.min(...listeners.map((each) => each.startedAtMs), listeners[0]?.startedAtMs ?? 0),
  };
}

/** What each sshd was started with, each once; where none runs, what the service reads. */
function readConfigurations(
  host: Host,
  cache: ParseCache,
  listeners: readonly SshdListener[],
): Promise<readonly SshdConfiguration[]> {
  const started = listeners.map(({ options, executable }) => ({
    options,
    executable: executable as string | undefined,
  }));
  const all = started.length === 0 ? [{ options: parseSshdCommandLine([]), executable: undefined }] : started;
  const different = new Map(all.map((each) => [JSON.stringify(each), each]));
  return Promise.all(
    [...different.values()].map(({ options, executable }) => readConfiguration(host, cache, options, executable)),
  );
}

function doubtful(source: string, reason: string): SshdConfiguration {
  const unknown = unreadable(source, reason);
  return { version: unknown, loads: unknown, contexts: unknown, isPresent: true, files: [] };
}

function isNotAccepted(loads: SshdFact['loads']): boolean {
  return loads.state !== 'seen' || !loads.value.accepted;
}

/** The version of what runs, where each sshd has the same: a file that was replaced is not what runs. */
function versionOf(
  listeners: readonly SshdListener[],
  configurations: readonly SshdConfiguration[],
): SshdFact['version'] | undefined {
  const replaced = listeners.find(({ isReplaced }) => isReplaced);
  if (replaced !== undefined)
    return unreadable(`/proc/${String(replaced.pid)}/exe`, 'the program was replaced after sshd started: restart sshd');
  const all = configurations.map(({ version }) => version);
  const missing = all.find(({ state }) => state !== 'seen');
  if (missing !== undefined) return missing;
  const versions = new Set(all.flatMap((each) => (each.state === 'seen' ? [each.value] : [])));
  if (versions.size <= 1) return all[0];
  return unreadable(all[0]?.source ?? '', clip(`sshd of different versions run: ${[...versions].join(', ')}`, 1024));
}

/** The contexts of all: what holds for one sshd must hold for each. */
function joinContexts(all: readonly SshdFact['contexts'][]): SshdFact['contexts'] | undefined {
  const missing = all.find(({ state }) => state !== 'seen');
  if (missing !== undefined) return missing;
  const contexts = all.flatMap((each) => (each.state === 'seen' ? each.value : []));
  const source = all[0]?.source ?? '';
  return contexts.length > MAX_CONTEXTS
    ? unreadable(source, 'there are too many Match blocks')
    : seen(contexts, source);
}

async function findServer(access: CachedHost): Promise<Server> {
  const found = await findSshdListeners(access);
  if (!found.ok) return { running: unreadable('/proc', found.reason), doubt: undefined };
  const { listeners } = found.value;
  const source = '/proc/*/exe sshd';
  // Root runs it in the namespaces of the node: it may well be the server, and its configuration is not known.
  const doubt = refusalText(found.value, 'sshd', ['doubtful']);
  const [first] = listeners;
  if (first !== undefined) {
    const running = seen(listeners, `/proc/${String(first.pid)}`);
    return { running, doubt: doubt ?? (listeners.length > MAX_LISTENERS ? 'too many sshd listen' : undefined) };
  }
  const refused = doubt ?? refusalText(found.value, 'sshd', ['foreign']);
  return { running: refused === undefined ? absent(source) : unreadable(source, refused), doubt };
}

async function presence(host: Host, running: Server['running'], hasConfig: boolean): Promise<SshdFact['present']> {
  if (running.state === 'seen') return seen('running', running.source);
  const enabled = await enabledUnit(host);
  if (enabled !== undefined) return seen(enabled.kind, enabled.path);
  // It may well run.
  if (running.state === 'unreadable') return running;
  return hasConfig ? seen('installed', DEFAULT_CONFIG) : absent(DEFAULT_CONFIG);
}
