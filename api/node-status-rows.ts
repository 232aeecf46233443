import { ago, bytes, count, counted, dateTime, span } from './format.ts';
import type { NodeStatus, NodeStatusAnswer } from './node-status.ts';

/** One thing about a node in words: its name, and what it is. */
export interface StatusRow {
  readonly name: string;
  readonly value: string;
}

type Answered = Extract<NodeStatusAnswer, { outcome: 'ok' }>;

/** How a node is doing, in words, for the CLI and the console. Values may contain text of the node. */
export function nodeStatusRows(answer: Answered): readonly StatusRow[] {
  const { status } = answer;
  const { uptimeSeconds, load, memory, swap, openFiles, processes, agent } = status;
  const row = <T>(name: string, field: keyof NodeStatus, value: T | null, text: (value: T) => string): StatusRow => ({
    name,
    value: value === null ? missing(answer, field) : text(value),
  });
  return [
    row('uptime', 'uptimeSeconds', uptimeSeconds, (up) => {
      const since = status.bootedAtMs === null ? '' : `, since ${dateTime(status.bootedAtMs)}`;
      return `${span(up * 1000)}${since}`;
    }),
    row('load', 'load', load, (of) =>
      [of.oneMinute, of.fiveMinutes, of.fifteenMinutes].map((value) => value.toFixed(2)).join(', '),
    ),
    row('memory', 'memory', memory, (of) => `${bytes(of.availableBytes)} of ${bytes(of.totalBytes)} available`),
    row('swap', 'swap', swap, (of) =>
      of.totalBytes === 0 ? 'none' : `${bytes(of.usedBytes)} of ${bytes(of.totalBytes)} used`,
    ),
    { name: 'pressure', value: pressureText(answer) },
    row('processes', 'processes', processes, count),
    row('open files', 'openFiles', openFiles, (of) => count(of.allocated)),
    ...diskRows(answer),
    { name: 'clock', value: clockText(answer) },
    row('agent', 'agent', agent, (of) => `${bytes(of.rssBytes)}, ${(of.cpuMillicores / 10).toFixed(1)} % of a core`),
  ];
}

/** Containers by state, one row for each engine that could be asked. */
export function containerCountRows({ status }: Answered): readonly StatusRow[] {
  return status.engines.flatMap(({ endpoint, containers }) => {
    if (containers === null) return [];
    const { running, paused, stopped } = containers;
    const value = `${count(running)} running, ${count(paused)} paused, ${count(stopped)} stopped (${endpoint})`;
    return [{ name: 'now', value }];
  });
}

/** The share of time in which at least one task waited. */
function pressureText({ status: { pressure } }: Answered): string {
  const parts = (['cpu', 'memory', 'io'] as const).flatMap((name) => {
    const share = pressure[name]?.some.avg60;
    return share === undefined ? [] : [`${name} ${share.toFixed(2)} %`];
  });
  return parts.length === 0 ? 'not measured by this kernel' : `${parts.join(', ')} of the last minute`;
}

function diskRows(answer: Answered): readonly StatusRow[] {
  const { rootFileSystem, engines } = answer.status;
  const row = (path: string, disk: NodeStatus['rootFileSystem']): readonly StatusRow[] => {
    if (disk === null) return [{ name: 'disk', value: `${path}: ${missing(answer, 'rootFileSystem')}` }];
    const { totalBytes, availableBytes, totalFiles, availableFiles } = disk;
    const inodes = totalFiles === 0 ? '' : `, ${counted(availableFiles, 'inode')} free`;
    return [{ name: 'disk', value: `${path}: ${bytes(availableBytes)} of ${bytes(totalBytes)} free${inodes}` }];
  };
  return [
    ...row('/', rootFileSystem),
    ...engines.flatMap(({ dataRoot, dataFileSystem }) =>
      dataRoot === null || dataFileSystem === null ? [] : row(dataRoot, dataFileSystem),
    ),
  ];
}

function clockText({ status, clockOffsetMs, clockErrorMs }: Answered): string {
  const size = Math.abs(clockOffsetMs);
  const length = size < 1000 ? `${String(size)} ms` : span(size);
  const offset =
    size <= clockErrorMs
      ? `equals that of the collector within ${String(clockErrorMs)} ms`
      : `${length} ${clockOffsetMs > 0 ? 'ahead of' : 'behind'} the collector`;
  const { clockSetAtMs, readAtMs } = status;
  return clockSetAtMs === null ? offset : `${offset}, set ${ago(clockSetAtMs, readAtMs)} by systemd-timesyncd`;
}

/** Why there is no value. */
function missing({ unread }: Answered, field: keyof NodeStatus): string {
  const lead = `nodeStatus.${field}: `;
  const entry = unread.find((text) => text.startsWith(lead));
  return entry === undefined ? 'not available' : `not read: ${entry.slice(lead.length)}`;
}
