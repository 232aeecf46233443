import { randomUUID } from 'node:crypto';
import type { AuditRecord } from '../../api/audit.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { QueryAnswer } from '../query/query.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { Store } from '../store/store.ts';
import { MAX_EVIDENCE_BYTES } from './activity.ts';
import type { Activity, EventDrop, LifecycleChange, LiveEvidence } from './activity.ts';

/** Records what happens at the collector itself, for sinks that want it. Nothing here waits or throws. */
export interface ActivityRecorder {
  /** A completed call of the operator API. Calls that only read are left out, unless they were refused. */
  readonly noteCall: (record: Omit<AuditRecord, 'phase'>) => void;
  /** The answers to a live query. */
  readonly noteAnswers: (query: NotedQuery, answers: readonly QueryAnswer[]) => void;
  readonly noteLifecycle: (change: LifecycleChange['change'], version: string) => void;
  /** Events that a sink does not get. */
  readonly noteDropped: (drop: Omit<EventDrop, 'kind'>) => void;
  /** Resolves once what was noted is stored, or has failed. */
  readonly settled: () => Promise<void>;
}

/** A live query, and who asked it. */
export interface NotedQuery {
  readonly expression: string;
  readonly by: string;
}

/** What a recorder needs. */
export interface ActivityRecorderOptions {
  readonly store: Pick<Store, 'recordActivities' | 'records'>;
  readonly eventBus: Pick<EventBus, 'announce'>;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly log: Logger;
}

/** Refused calls with an event of their own: anyone who reaches the port can cause them. */
const REFUSED_PER_MINUTE = 60;
const MINUTE_MS = 60_000;
/** Answers of one query with an event. */
const MAX_ANSWERS = 100;
/** Activities that wait for the store; what comes beyond is dropped and logged. */
const MAX_WAITING = 5_000;

/** A recorder that has noted nothing yet. */
export function createActivityRecorder({ store, eventBus, clock, log }: ActivityRecorderOptions): ActivityRecorder {
  let writing: Promise<void> = Promise.resolve();
  let waiting = 0;
  let [windowMs, refused, suppressed] = [-Infinity, 0, 0];
  const write = async (activities: readonly Activity[], atMs: number): Promise<void> => {
    try {
      const newest = await store.recordActivities(activities.map((activity) => ({ activity, atMs })));
      if (newest > 0) eventBus.announce(newest);
    } catch (error) {
      log.warn({ error, activities: activities.length }, 'activities could not be recorded and have no events');
    } finally {
      waiting -= activities.length;
    }
  };
  const note = (...activities: readonly Activity[]): void => {
    if (waiting + activities.length > MAX_WAITING) {
      log.warn({ activities: activities.length }, 'the store is slow: activities have no events');
      return;
    }
    waiting += activities.length;
    const atMs = clock.now();
    writing = writing.then(() => write(activities, atMs));
  };
  const isAllowed = (): boolean => {
    const nowMs = clock.monotonic();
    if (nowMs - windowMs >= MINUTE_MS) [windowMs, refused] = [nowMs, 0];
    refused += 1;
    return refused <= REFUSED_PER_MINUTE;
  };
  return {
    noteCall: (record) => {
      const isRefused = record.code !== '';
      if (!store.records('audit') || (!isRefused && record.method === 'GET')) return;
      if (isRefused && !isAllowed()) {
        suppressed += record.calls;
        return;
      }
      note({ kind: 'audit', record, suppressed });
      suppressed = 0;
    },
    noteAnswers: ({ expression, by }, answers) => {
      if (!store.records('evidence')) return;
      const queryId = randomUUID();
      note(...answers.slice(0, MAX_ANSWERS).map((answer) => toEvidence(answer, { queryId, expression, by })));
    },
    noteLifecycle: (change, version) => {
      if (store.records('lifecycle')) note({ kind: 'lifecycle', change, program: 'plimsoll-collector', version });
    },
    noteDropped: (drop) => note({ kind: 'drop', ...drop }),
    settled: () => writing,
  };
}

function toEvidence(answer: QueryAnswer, query: NotedQuery & { readonly queryId: string }): LiveEvidence {
  const { nodeId, nodeName, outcome } = answer;
  const base = { kind: 'evidence', ...query, nodeId, nodeName, outcome } as const;
  if (answer.outcome !== 'ok') return { ...base, rows: 0, truncated: false };
  const value = JSON.stringify(answer.value);
  const fits = Buffer.byteLength(value) <= MAX_EVIDENCE_BYTES;
  return { ...base, rows: answer.rows, truncated: answer.truncated, ...(fits && { value }) };
}
