import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { startApi } from '../../../collector/api/api.ts';
import type { ApiOptions } from '../../../collector/api/api.ts';
import type { Role, Scope } from '../../../api/access.ts';
import { auditIssues, createAuditLog } from '../../../collector/audit/audit-log.ts';
import type { AuditLog } from '../../../collector/audit/audit-log.ts';
import { readAudit } from '../../../collector/audit/read-audit.ts';
import { openRotatedFile } from '../../../service/rotated-file.ts';
import { openOperatorTokens } from '../../../collector/operator-tokens.ts';
import type { OperatorTokens } from '../../../collector/operator-tokens.ts';
import { openJoinTokens } from '../../../collector/enrollment/join-tokens.ts';
import { createAdmissionReporters } from '../../../collector/admitted/reporters.ts';
import { createDenialIntake } from '../../../collector/denial/denial-intake.ts';
import { followRunningImages } from '../../../collector/image/running-images.ts';
import type { DatabaseState } from '../../../collector/image/database-keeper.ts';
import { openRolloutRecords } from '../../../collector/remediation/rollout-records.ts';
import { createDeadLetters } from '../../../collector/sink/dead-letters.ts';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import type { EventBus } from '../../../collector/store/event-bus.ts';
import { createStatus } from '../../../collector/status/status.ts';
import type { StatusOptions } from '../../../collector/status/status.ts';
import type { QueryRequest, QueryResponse } from '../../../collector/query/query.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Commit, Store } from '../../../collector/store/store.ts';
import { systemClock } from '../../../service/clock.ts';
import { BUILT_IN_CATALOG } from '../../../tailoring/catalog.ts';
import { render } from '../sink/events.ts';
import type { LogFields, Logger } from '../../../service/log.ts';

/** The token in the token file of the server: an admin. */
export const TOKEN = 'c2VjcmV0LXRva2VuLW9mLXRoZS10ZXN0LXN1aXRlLTAwMDE';

/** A running API over a real store, and what is behind it. */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly eventBus: EventBus;
  readonly operatorTokens: OperatorTokens;
  readonly audit: AuditLog;
  /** Where the audit log is written. */
  readonly auditPath: string;
  /** The text of a new operator token, good for an hour. */
  readonly createToken: (role: Role, scopes?: readonly Scope[]) => Promise<string>;
  readonly logged: readonly { readonly level: string; readonly fields: LogFields; readonly message: string }[];
  /** Requests with the right token unless `init` says otherwise. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
  /** Commits, then publishes the events, as a session does. */
  readonly commit: (commit: Commit) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** What a test replaces. */
export type ServerOptions = { readonly duplicated?: readonly string[] } & Partial<
  Pick<
    ApiOptions,
    | 'certificate'
    | 'oidc'
    | 'policies'
    | 'running'
    | 'suppressionIn'
    | 'waivers'
    | 'waiverUses'
    | 'exemptNamespaces'
    | 'hasExpiredWaiver'
    | 'rollouts'
    | 'queries'
    | 'sinks'
    | 'testSink'
    | 'unreadiness'
    | 'removeNode'
    | 'admission'
    | 'clock'
    | 'consoleDirectory'
  >
> &
  Partial<
    Pick<
      StatusOptions,
      | 'quarantined'
      | 'addresses'
      | 'nodeProblems'
      | 'isInPlace'
      | 'writeProblem'
      | 'diskProblem'
      | 'apiIssues'
      | 'restoredMs'
      | 'requiredFiles'
    >
  > & {
    readonly store?: (store: Store) => Store;
    readonly database?: () => DatabaseState;
  };

/** Starts one on a free port of the loopback address; it is gone when the test is over. */
export async function startServer(t: Test, options: ServerOptions = {}): Promise<ApiServer> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-api-'));
  const real = await openSqliteStore({ path: join(directory, 'store.sqlite') });
  const store = options.store?.(real) ?? real;
  const eventBus = createEventBus();
  const { log, logged } = recordingLog();
  const sinks = options.sinks ?? (() => []);
  const clock = options.clock ?? systemClock();
  const auditFiles = { path: join(directory, 'audit.ndjson'), keep: 3 };
  const audit = createAuditLog({ file: openRotatedFile({ ...auditFiles, maxBytes: 1_048_576 }), clock, log });
  const status = createStatus({
    version: '0.1.0',
    heartbeatMs: 30_000,
    store,
    storePath: join(directory, 'store.sqlite'),
    quarantined: options.quarantined ?? (() => undefined),
    isInPlace: options.isInPlace ?? (() => true),
    writeProblem: options.writeProblem ?? (() => undefined),
    diskProblem: options.diskProblem ?? (() => undefined),
    apiIssues: options.apiIssues ?? (() => auditIssues(audit, auditFiles.path)),
    restoredMs: options.restoredMs ?? (() => undefined),
    requiredFiles: options.requiredFiles ?? [],
    sinks,
    nodeProblems: options.nodeProblems ?? (() => []),
    addresses: options.addresses ?? (() => ({ nodes: '127.0.0.1:7443', api: '127.0.0.1:7480', console: '' })),
    clock,
  });
  const operatorTokens = await openOperatorTokens(join(directory, 'operator-tokens.json'), clock);
  const api = await startApi({
    listen: { host: '127.0.0.1', port: 0 },
    fileToken: TOKEN,
    certificate: options.certificate,
    operatorTokens,
    audit,
    oidc: options.oidc,
    readAudit: (query) => readAudit(auditFiles, query),
    store,
    running: options.running ?? (await followRunningImages(store, eventBus)),
    checks: BUILT_IN_CATALOG.checks,
    benchmarks: BUILT_IN_CATALOG.benchmarks,
    excluded: new Map(),
    denials: createDenialIntake({ store, reporters: createAdmissionReporters(clock), eventBus, clock }),
    waivers: options.waivers ?? (() => []),
    waiverUses: options.waiverUses ?? (() => ({ findings: [], vulnerabilities: [] })),
    exemptNamespaces: options.exemptNamespaces ?? (() => undefined),
    suppressionIn: options.suppressionIn ?? (() => undefined),
    hasExpiredWaiver: options.hasExpiredWaiver ?? (() => false),
    rollouts:
      options.rollouts ?? (options.policies && (await openRolloutRecords({ directory, store, eventBus, clock }))),
    database: options.database ?? (() => ({ state: 'missing', problem: 'no vulnerability database' })),
    policies: options.policies,
    queries: options.queries ?? { ask: answerNothing },
    activities: { noteAnswers: () => undefined },
    eventBus,
    sinks,
    unreadiness: options.unreadiness ?? (() => []),
    testSink: options.testSink ?? (() => Promise.resolve({ eventUid: 'test-1', steps: [] })),
    deadLetters: createDeadLetters({ store, render, sinks: sinks().map(({ name }) => name), eventBus }),
    status,
    removeNode: options.removeNode ?? (() => Promise.resolve({ outcome: 'unknown' })),
    admission: options.admission ?? {
      tokens: await openJoinTokens(join(directory, 'join-tokens.json'), clock),
      tls: {
        authorities: () => [{ hash: `sha256:${'0'.repeat(64)}`, certificatePem: '', expiresMs: 0 }],
        rotationEndsMs: () => 0,
        rotate: () => Promise.resolve(undefined),
      },
      addresses: () => ({ listen: { host: '127.0.0.1', port: 7443 }, enroll: { host: '127.0.0.1', port: 7444 } }),
      revoke: () => Promise.resolve(),
      readmit: () => Promise.resolve(true),
    },
    presenceTerms: () => ({ nowMs: clock.now(), heartbeatMs: 30_000, duplicated: new Set(options.duplicated) }),
    clock,
    log,
    version: '0.1.0',
    consoleDirectory: options.consoleDirectory,
  });
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await api.close();
    await audit.close();
    await real.close();
    rmSync(directory, { recursive: true, force: true });
  };
  t.teardown(close);
  const url = `http://127.0.0.1:${String(api.address.port)}`;
  return {
    url,
    port: api.address.port,
    store,
    eventBus,
    operatorTokens,
    audit,
    auditPath: auditFiles.path,
    createToken: async (role, scopes = []) => {
      const created = await operatorTokens.create({ name: role, role, scopes, ttlMs: 3_600_000, createdBy: 'test' });
      return created?.text ?? '';
    },
    logged,
    close,
    fetch: (path, init = {}) =>
      fetch(url + path, { ...init, headers: init.headers ?? { authorization: `Bearer ${TOKEN}` } }),
    commit: async (commit) => {
      for (const result of await store.commit([commit]))
        if (result.outcome === 'applied')
          for (const event of result.events) eventBus.publish({ type: 'finding', event });
    },
  };
}

function answerNothing(_request: QueryRequest): Promise<QueryResponse> {
  return Promise.resolve({ outcome: 'answered', answers: [] });
}

export function recordingLog(): { readonly log: Logger; readonly logged: ApiServer['logged'] } {
  const logged: { level: string; fields: LogFields; message: string }[] = [];
  const at = (level: string) => (fields: LogFields, message: string) => void logged.push({ level, fields, message });
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, logged };
}
