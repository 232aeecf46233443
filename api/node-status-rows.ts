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

/** Containers by state, one row for each runtime of the node, with its version and endpoint. */
export function containerCountRows(answer: Answered): readonly StatusRow[] {
  return answer.status.engines.map(({ endpoint, runtime, version, containers }, index) => {
    const place = `(${[runtime, version].filter(Boolean).join(' ')} at ${endpoint})`;
    const name = 'now';
    if (containers === null)
      return { name, value: `${missing(answer, `engines[${String(index)}].containers`)} ${place}` };
    const { running, paused, stopped } = containers;
    return { name, value: `${count(running)} running, ${count(paused)} paused, ${count(stopped)} stopped ${place}` };
  });
}

/** The share of time in which at least one task waited. What a kernel does not measure is left out. */
function pressureText(answer: Answered): string {
  const { pressure } = answer.status;
  const parts = (['cpu', 'memory', 'io'] as const).flatMap((name) => {
    const share = pressure[name]?.some.avg60;
    return share === undefined ? [] : [`${name} ${share.toFixed(2)} %`];
  });
  const unread = (['cpu', 'memory', 'io'] as const).flatMap((name) => {
    const reason = unreadReason(answer, `pressure.${name}`);
    return reason === undefined ? [] : [{ name, reason }];
  });
  const [first] = unread;
  if (parts.length === 0) return first === undefined ? 'not measured by this kernel' : `not read: ${first.reason}`;
  const measured = `${parts.join(', ')} of the last minute`;
  return first === undefined
    ? measured
    : `${measured}; ${unread.map(({ name }) => name).join(', ')} not read: ${first.reason}`;
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
function missing(answer: Answered, path: string): string {
  const reason = unreadReason(answer, path);
  return reason === undefined ? 'not available' : `not read: ${reason}`;
}

/** Why the part of the status at `path` could not be read; undefined: it could, or it is absent. */
function unreadReason({ unread }: Answered, path: string): string | undefined {
  const lead = `nodeStatus.${path}: `;
  return unread.find((text) => text.startsWith(lead))?.slice(lead.length);
}
