import { join } from 'node:path';
import type { Test } from 'tap';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import type { BusItem } from '../../../collector/store/event-bus.ts';
import { startSessionServer } from '../../../collector/session/server.ts';
import type { SessionServer } from '../../../collector/session/server.ts';
import type { QuotaTerms } from '../../../collector/session/node-quota.ts';
import type { SessionSettings } from '../../../collector/session/settings.ts';
import { openSqliteStore } from '../../../collector/store/sqlite.ts';
import type { Store } from '../../../collector/store/store.ts';
import type { QueryResult } from '../../../proto/fleet.ts';
import { systemClock } from '../../../service/clock.ts';
import type { LogFields, Logger } from '../../../service/log.ts';
import { dial, newFleet } from './node.ts';
import type { DialOptions, Fleet, TestNode } from './node.ts';

/** A line of the log. */
export interface Line {
  readonly level: keyof Logger;
  readonly fields: LogFields;
  readonly message: string;
}

/** A collector's port for nodes with everything behind it, real, in a temporary directory. */
export interface TestCollector {
  readonly server: SessionServer;
  readonly store: Store;
  readonly path: string;
  readonly fleet: Fleet;
  readonly items: readonly BusItem[];
  /** Resolves with the first item, past or future, that `wanted` accepts. */
  readonly item: (wanted: (item: BusItem) => boolean) => Promise<BusItem>;
  readonly results: readonly { readonly nodeId: string; readonly result: QueryResult }[];
  readonly disconnected: readonly string[];
  /** Nodes that were acknowledged more than the store holds. */
  readonly ahead: readonly string[];
  readonly lines: readonly Line[];
  /** Nodes whose certificates are revoked; a test adds to it. */
  readonly revoked: Set<string>;
  /** Opens a session as this node. */
  readonly connect: (nodeId: string, over?: Partial<DialOptions>) => Promise<TestNode>;
}

/** Starts a collector; it is closed with the test. */
export async function startCollector(
  t: Test,
  settings: Partial<SessionSettings> = {},
  directory = t.testdir(),
  quota: Partial<QuotaTerms> = {},
): Promise<TestCollector> {
  const path = join(directory, 'store.sqlite');
  const store = await openSqliteStore({ path, busyTimeoutMs: 5 });
  const fleet = await newFleet();
  const eventBus = createEventBus();
  const items: BusItem[] = [];
  const waiting = new Set<() => void>();
  eventBus.subscribe((item) => {
    items.push(item);
    for (const wake of waiting) wake();
  });
  const results: { nodeId: string; result: QueryResult }[] = [];
  const disconnected: string[] = [];
  const ahead: string[] = [];
  const lines: Line[] = [];
  const nodes: TestNode[] = [];
  const revoked = new Set<string>();
  const server = await startSessionServer({
    isRevoked: (nodeId) => revoked.has(nodeId),
    listen: { host: '127.0.0.1', port: 0 },
    tls: { ca: fleet.authority.certificatePem, cert: fleet.server.certificatePem, key: fleet.server.keyPem },
    store,
    eventBus,
    replies: {
      onResult: (nodeId, result) => results.push({ nodeId, result }) > 0,
      onDisconnect: (nodeId) => void disconnected.push(nodeId),
    },
    onNodeAhead: (nodeId) => Promise.resolve(void ahead.push(nodeId)),
    settings: { nodeWriteMs: 1, ...settings },
    quota,
    clock: systemClock(),
    log: collectLines(lines),
  });
  t.teardown(async () => {
    for (const node of nodes) node.close();
    await server.close();
    await store.close();
  });
  return {
    server,
    store,
    path,
    fleet,
    items,
    results,
    disconnected,
    ahead,
    lines,
    revoked,
    item: async (wanted) => {
      for (;;) {
        const found = items.find(wanted);
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => {
          waiting.add(resolve);
        });
      }
    },
    connect: async (nodeId, over = {}) => {
      const identity = over.identity ?? (await fleet.node(nodeId));
      const node = dial({ address: server.address, ca: fleet.authority.certificatePem, ...over, identity });
      nodes.push(node);
      return node;
    },
  };
}

/** A logger into a list. */
export function collectLines(lines: Line[]): Logger {
  const at =
    (level: keyof Logger) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ level, fields, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
