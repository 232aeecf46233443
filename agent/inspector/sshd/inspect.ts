import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { SshdFact } from '../../../posture/fact/sshd.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import { clip } from '../clip.ts';
import type { Inspector } from '../inspector.ts';
import { parseNullTerminated } from '../proc/null-terminated.ts';
import { parseBootTime, parseStartTicks, startedAtMs } from '../proc/proc-stat.ts';
import { findNodeProcesses } from '../proc/process-table.ts';
import { readText } from '../read-text.ts';
import { UNIT_DIRECTORIES } from '../systemd/find-unit.ts';
import { DEFAULT_CONFIG, isListener, parseSshdCommandLine } from './command-line.ts';
import type { SshdOptions } from './command-line.ts';
import { evaluate } from './evaluate.ts';
import { expandConfig } from './expand-config.ts';
import type { ExpandedConfig, PlacedDirective } from './expand-config.ts';

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

interface Listener {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly options: SshdOptions;
}

async function inspectSshd({ host }: NodeAccess): Promise<SshdFact> {
  const listener = await findListener(host);
  const options = listener.state === 'seen' ? listener.value.options : parseSshdCommandLine([]);
  const config = await expandConfig(host, options.configPath);
  const hasConfig = 'directives' in config || config.problem !== 'absent';
  const files = 'directives' in config ? config.files : [];
  return {
    present: await presence(host, listener, hasConfig),
    contexts: contextsOf(config, options),
    files: files.map(({ path }) => clip(path, 4096)),
    modifiedAtMs: Math.max(0, ...files.map(({ modifiedAtMs }) => modifiedAtMs)),
    startedAtMs: listener.state === 'seen' ? listener.value.startedAtMs : 0,
  };
}

function contextsOf(
  config: Awaited<ReturnType<typeof expandConfig>>,
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

async function presence(host: Host, listener: Observed<Listener>, hasConfig: boolean): Promise<SshdFact['present']> {
  if (listener.state === 'seen') return seen('running', listener.source);
  const socket = await enabledSocket(host);
  if (socket !== undefined) return seen('socketActivated', socket);
  // The table of processes is closed to us: it may well run.
  if (listener.state === 'unreadable') return listener;
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

async function findListener(host: Host): Promise<Observed<Listener>> {
  const found = await findNodeProcesses(host, new Set(['sshd']));
  if (!found.ok) return unreadable('/proc', found.reason);
  for (const { pid } of found.value.get('sshd') ?? []) {
    const directory = `/proc/${String(pid)}`;
    const cmdline = await readText(host, `${directory}/cmdline`);
    const strings = cmdline.ok ? parseNullTerminated(cmdline.value) : [];
    if (!isListener(strings)) continue;
    const [stat, boot] = [await readText(host, `${directory}/stat`), await readText(host, '/proc/stat')];
    const started = startedAtMs(
      boot.ok ? parseBootTime(boot.value) : undefined,
      stat.ok ? parseStartTicks(stat.value) : undefined,
    );
    return seen({ pid, startedAtMs: started, options: parseSshdCommandLine(strings) }, directory);
  }
  return absent('/proc/*/comm sshd');
}
