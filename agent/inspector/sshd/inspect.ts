import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { SshdFact } from '../../../posture/fact/sshd.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { refusalText } from '../proc/daemon-identity.ts';
import { UNIT_DIRECTORIES } from '../systemd/find-unit.ts';
import { DEFAULT_CONFIG, parseSshdCommandLine } from './command-line.ts';
import type { SshdOptions } from './command-line.ts';
import { evaluate } from './evaluate.ts';
import { expandConfig } from './expand-config.ts';
import type { ConfigProblem, ExpandedConfig, PlacedDirective } from './expand-config.ts';
import { findSshdListeners } from './listeners.ts';
import type { SshdListener } from './listeners.ts';

/** Names of the socket unit: Debian family, others. */
const SOCKET_UNITS = ['ssh.socket', 'sshd.socket'];
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
  /** absent: none runs. unreadable: whether one runs is not known. */
  readonly running: Observed<SshdListener>;
  /** Why it is not known which configuration is in force. */
  readonly doubt: string | undefined;
}

async function inspectSshd({ host }: NodeAccess): Promise<SshdFact> {
  const { running, doubt } = await findServer(host);
  const options = running.state === 'seen' ? running.value.options : parseSshdCommandLine([]);
  const config: ExpandedConfig | ConfigProblem =
    doubt === undefined
      ? await expandConfig(host, options.configPath)
      : { problem: 'unreadable', place: running.source, reason: doubt };
  const hasConfig = 'directives' in config || config.problem !== 'absent';
  const files = 'directives' in config ? config.files : [];
  return {
    present: await presence(host, running, hasConfig),
    contexts: contextsOf(config, options),
    files: files.map(({ path }) => clip(path, 4096)),
    modifiedAtMs: Math.max(0, ...files.map(({ modifiedAtMs }) => modifiedAtMs)),
    startedAtMs: running.state === 'seen' ? running.value.startedAtMs : 0,
  };
}

async function findServer(host: Host): Promise<Server> {
  const found = await findSshdListeners(host);
  if (!found.ok) return { running: unreadable('/proc', found.reason), doubt: undefined };
  const { listeners } = found.value;
  const source = '/proc/*/exe sshd';
  // Root runs it in the namespaces of the node: it may well be the server, and its configuration is not known.
  const doubt = refusalText(found.value, 'sshd', ['doubtful']);
  const [first] = listeners;
  if (first !== undefined) {
    const running = seen(first, `/proc/${String(first.pid)}`);
    const pids = listeners.map(({ pid }) => String(pid)).join(', ');
    return { running, doubt: doubt ?? (listeners.length > 1 ? `several sshd listen (pid ${pids})` : undefined) };
  }
  const refused = doubt ?? refusalText(found.value, 'sshd', ['foreign']);
  return { running: refused === undefined ? absent(source) : unreadable(source, refused), doubt };
}

function contextsOf(
  config: ExpandedConfig | ConfigProblem,
  { options, configPath }: SshdOptions,
): SshdFact['contexts'] {
  if (!('directives' in config))
    return config.problem === 'absent' ? absent(config.place) : unreadable(config.place, config.reason);
  const { directives, blocks }: ExpandedConfig = config;
  const told = options.map(({ keyword, args }): PlacedDirective => ({
    keyword,
    args,
    place: '-o on the command line',
    block: -1,
  }));
  const evaluation = evaluate([...told, ...directives], blocks);
  return evaluation.ok
    ? seen(evaluation.contexts, configPath)
    : unreadable(evaluation.place, `sshd would refuse this line: ${evaluation.reason}`);
}

async function presence(host: Host, running: Observed<SshdListener>, hasConfig: boolean): Promise<SshdFact['present']> {
  if (running.state === 'seen') return seen('running', running.source);
  const socket = await enabledSocket(host);
  if (socket !== undefined) return seen('socketActivated', socket);
  // It may well run.
  if (running.state === 'unreadable') return running;
  return hasConfig ? seen('installed', DEFAULT_CONFIG) : absent(DEFAULT_CONFIG);
}

/** The link that `systemctl enable` makes, systemd.unit(5). */
async function enabledSocket(host: Host): Promise<string | undefined> {
  for (const unit of SOCKET_UNITS)
    for (const directory of UNIT_DIRECTORIES) {
      const path = `${directory}/sockets.target.wants/${unit}`;
      const link = await host.readLink(path);
      if (link.ok) return path;
    }
  return undefined;
}
