import { randomBytes } from 'node:crypto';
import type { AuditRecord } from '../../api/audit.ts';
import { safeJson } from '../../api/safe.ts';
import type { Clock } from '../../service/clock.ts';
import { within } from '../../service/clock.ts';
import { errorCode } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';
import type { RotatedFile } from '../../service/rotated-file.ts';
import type { Issue } from '../status/collector-status.ts';

/** What the caller knows of a call. `principal` and the rest as in {@link AuditRecord}. */
export type AuditEntry = Omit<AuditRecord, 'phase' | 'calls'>;

/** Records the calls of the operator API. */
export interface AuditLog {
  /** A new id for a record. */
  readonly nextId: () => string;
  /** Records a call that is about to change something. Resolves to false if that could not be written: refuse the call. */
  readonly start: (entry: AuditEntry) => Promise<boolean>;
  /** Records a call that has ended. What cannot be written is dropped and counted. */
  readonly complete: (entry: AuditEntry) => void;
  /** Why the last write failed; undefined: it worked. */
  readonly problem: () => string | undefined;
  /** Writes what waits. */
  readonly close: () => Promise<void>;
}

/** Records of reads and denials that one caller causes in a minute; beyond it they are counted in one record. */
export const LINES_PER_MINUTE = 300;
const MINUTE_MS = 60_000;
/** Records that can wait for the disk. */
const MAX_WAITING = 4_096;
/** Records are collected for so long before they are written together: each write waits for the disk. */
const COLLECT_MS = 100;
/** A call that changes something waits at most so long for its record. */
const START_DEADLINE_MS = 3_000;
/** Callers that are counted at a time; the oldest makes room. */
const MAX_CALLERS = 4_096;

/** What the log works with. */
export interface AuditLogOptions {
  readonly file: RotatedFile;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with each completed call, also where it shares a record with others. Must not throw. */
  readonly onCall?: (record: Omit<AuditRecord, 'phase'>) => void;
}

interface Waiting {
  readonly line: string;
  readonly written: ((ok: boolean) => void) | undefined;
}

/**
 * An audit log in `file`, one JSON object a line. A caller that reads or is denied without end fills one record a minute
 * beyond {@link LINES_PER_MINUTE}, so that it cannot push the records of others out of the rotated files.
 */
export function createAuditLog({ file, clock, log, onCall }: AuditLogOptions): AuditLog {
  const prefix = randomBytes(6).toString('base64url');
  let [counter, dropped] = [0, 0];
  let waiting: Waiting[] = [];
  let problem: string | undefined;
  let writing: Promise<void> | undefined;
  let stopTimer: (() => void) | undefined;
  const nextId = (): string => `${prefix}-${(counter += 1).toString(36)}`;
  const setProblem = (next: string | undefined): void => {
    if (next !== undefined && problem === undefined) log.error({ reason: next }, 'the audit log cannot be written');
    if (next === undefined && problem !== undefined) log.info({ dropped }, 'the audit log is written again');
    problem = next;
  };
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const gap = dropped > 0 ? [lineOf(gapRecord(nextId(), clock.now(), dropped))] : [];
      try {
        await file.append([...gap, ...batch.map(({ line }) => line)]);
        if (gap.length > 0) dropped = 0;
        setProblem(undefined);
        for (const { written } of batch) written?.(true);
      } catch (error) {
        dropped += batch.filter(({ written }) => written === undefined).length;
        setProblem(errorCode(error));
        for (const { written } of batch) written?.(false);
      }
    }
  };
  const flush = (): Promise<void> => {
    stopTimer?.();
    stopTimer = undefined;
    writing ??= write().finally(() => (writing = undefined));
    return writing;
  };
  const enqueue = (record: AuditRecord, written?: (ok: boolean) => void): void => {
    if (waiting.length >= MAX_WAITING) {
      dropped += 1;
      return written?.(false);
    }
    waiting.push({ line: lineOf(record), written });
    if (written !== undefined) void flush();
    else stopTimer ??= clock.after(COLLECT_MS, () => void flush());
  };
  const budget = createLineBudget(clock, (entry, calls) => enqueue(joinedRecord(nextId(), entry, calls)));
  return {
    nextId,
    problem: () => problem,
    start: (entry) => {
      const outcome = new Promise<boolean>((resolve) => enqueue({ ...entry, phase: 'started', calls: 1 }, resolve));
      return within(clock, START_DEADLINE_MS, outcome, () => {
        setProblem('the disk does not answer');
        return false;
      });
    },
    complete: (entry) => {
      onCall?.({ ...entry, calls: 1 });
      if (isBudgeted(entry) && !budget.take(entry)) return;
      enqueue({ ...entry, phase: 'completed', calls: 1 });
    },
    close: async () => {
      budget.close();
      await flush();
      await file.close();
    },
  };
}

function lineOf(record: AuditRecord): string {
  return `${safeJson(record)}\n`;
}

const UNAUTHORIZED = 401;
const DENIED: ReadonlySet<number> = new Set([UNAUTHORIZED, 403, 429]);

/** What any caller can cause without end: reads, and calls that were refused before they did anything. */
function isBudgeted({ method, status }: AuditEntry): boolean {
  return method === 'GET' || DENIED.has(status);
}

interface LineBudget {
  /** May this call have a record of its own? */
  readonly take: (entry: AuditEntry) => boolean;
  readonly close: () => void;
}

interface Use {
  lines: number;
  joined: number;
  /** The last call that was not recorded alone. */
  last: AuditEntry | undefined;
  readonly stop: () => void;
}

/** Counts records by caller; who has not authenticated shares one budget. `report` is called at the end of a minute. */
function createLineBudget(clock: Clock, report: (last: AuditEntry, calls: number) => void): LineBudget {
  const uses = new Map<string, Use>();
  const end = (key: string): void => {
    const use = uses.get(key);
    if (use === undefined) return;
    uses.delete(key);
    use.stop();
    if (use.last !== undefined) report(use.last, use.joined);
  };
  return {
    take: (entry) => {
      const { kind, id } = entry.principal;
      const key = `${kind}:${id}`;
      const use = uses.get(key) ?? {
        lines: 0,
        joined: 0,
        last: undefined,
        stop: clock.after(MINUTE_MS, () => end(key)),
      };
      uses.set(key, use);
      const oldest = uses.keys().next().value;
      if (uses.size > MAX_CALLERS && oldest !== undefined) end(oldest);
      use.lines += 1;
      if (use.lines <= LINES_PER_MINUTE) return true;
      use.joined += 1;
      use.last = entry;
      return false;
    },
    close: () => {
      for (const key of uses.keys()) end(key);
    },
  };
}

function joinedRecord(id: string, last: AuditEntry, calls: number): AuditRecord {
  const isAnonymous = last.principal.kind === 'anonymous';
  return {
    ...last,
    id,
    phase: 'completed',
    address: isAnonymous ? '*' : last.address,
    operation: '*',
    parameters: {},
    durationMs: 0,
    calls,
  };
}

function gapRecord(id: string, atMs: number, calls: number): AuditRecord {
  return {
    id,
    atMs,
    phase: 'completed',
    principal: { kind: 'anonymous', id: '', name: '', session: false },
    role: null,
    address: '*',
    method: '*',
    operation: '*',
    parameters: { reason: 'these calls were not recorded: the audit log could not be written' },
    status: 0,
    code: 'auditGap',
    durationMs: 0,
    calls,
  };
}

/** What does not work of the audit log at `path`. */
export function auditIssues({ problem }: Pick<AuditLog, 'problem'>, path: string): readonly Issue[] {
  const reason = problem();
  if (reason === undefined) return [];
  return [
    {
      code: 'auditUnwritable',
      subject: path,
      text: `the audit log cannot be written (${reason}): calls that change something are refused`,
      advice: 'make room on the disk, or make the file and its directory writable for the collector',
    },
  ];
}
