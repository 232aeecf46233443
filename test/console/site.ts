import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAgent } from '../../agent/main.ts';
import { runCollector } from '../../collector/main.ts';
import type { CollectorReady } from '../../collector/main.ts';
import { buildConsole } from '../../scripts/build-console.mjs';
import { systemClock } from '../../service/clock.ts';
import type { Clock } from '../../service/clock.ts';
import type { Settings } from '../../service/config/settings.ts';
import type { Logger } from '../../service/log.ts';
import { ensureAuthority } from '../../service/tls/authority.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import { startLinkNode } from '../agent/transport/link-node.ts';
import type { LinkNode } from '../agent/transport/link-node.ts';
import { settingsWith } from '../fixture/settings.ts';
import { seedStore } from './seed.ts';
import { DATABASE_WORKER, INVENTORY_WORKER } from '../fixture/workers.ts';

/** A collector with its console, and what is connected to it. */
export interface Site {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The operator token. */
  readonly token: string;
  /** Its data directory, and where it takes agents: `127.0.0.1:PORT`. */
  readonly dataDir: string;
  readonly collector: string;
  /** Findings that were seeded. */
  readonly seeded: number;
  /** A new sign-in link. */
  readonly link: () => Promise<string>;
  /** Starts a real agent for this machine; resolves once all it knows has arrived. */
  readonly startAgent: (flags?: Readonly<Record<string, string>>) => Promise<{ readonly nodeId: string }>;
  /** A node at a real session, whose findings a test sets. */
  readonly startNode: (nodeId: string) => Promise<LinkNode>;
}

/** What a test, or a script, gives: `teardown` runs its functions at the end, the last one first. */
export interface SiteScope {
  readonly teardown: (run: () => unknown) => void;
}

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const QUERY_WORKER = new URL('../../agent/query/worker.ts', import.meta.url);
const VERSION = '0.1.0';

interface ProgramScope {
  readonly scope: SiteScope;
  readonly clock: Clock;
}

/** Starts a collector on free ports of the loopback address that serves the console as its sources are now. */
export async function startSite(
  scope: SiteScope,
  {
    seed,
    prepare = () => Promise.resolve(),
    settings: own = () => ({}),
    clock = systemClock(),
  }: {
    readonly seed: boolean;
    /** Fills the data directory before the collector starts. */
    readonly prepare?: (dataDir: string) => Promise<void>;
    /** Settings of the collector besides those that every site has. */
    readonly settings?: (dataDir: string) => Readonly<Record<string, string>>;
    readonly clock?: Clock;
  },
): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-console-'));
  scope.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const dataDir = join(directory, 'data');
  const consoleDirectory = join(directory, 'console');
  await buildConsole(consoleDirectory);
  const listening = { 'data-dir': dataDir, listen: '127.0.0.1:0', api: '127.0.0.1:0' };
  const settings = await settingsWith('collector', { ...listening, ...own(dataDir) });
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const seeded = seed ? await seedStore(dataDir, Date.now()) : 0;
  await prepare(dataDir);
  const { api, listen } = await startCollector({ scope, clock }, settings, consoleDirectory);
  const url = `http://127.0.0.1:${String(api.port)}`;
  const collector = `127.0.0.1:${String(listen.port)}`;
  const token = readFileSync(join(dataDir, 'operator-token'), 'utf8').trim();
  return {
    url,
    token,
    dataDir,
    collector,
    seeded,
    link: async () => {
      const response = await fetch(`${url}/v1/console/links`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{}',
      });
      const { code } = (await response.json()) as { code: string };
      return `${url}/#code=${code}`;
    },
    startAgent: async (flags = {}) => {
      return startAgent({ scope, clock }, await settingsWith('agent', { 'data-dir': dataDir, collector, ...flags }));
    },
    startNode: async (nodeId) => {
      const authority = await ensureAuthority(join(dataDir, 'tls'), Date.now());
      const issued = await issueCertificate({ kind: 'node', nodeId }, authority, Date.now());
      const tls = {
        ca: authority.certificatePem,
        cert: issued.certificatePem,
        key: issued.keyPem,
        expiresAtMs: Date.now() + 86_400_000,
      };
      return startLinkNode(scope, { tls, port: listen.port });
    },
  };
}

async function startCollector(
  { scope, clock }: ProgramScope,
  settings: Settings,
  consoleDirectory: string,
): Promise<CollectorReady> {
  const stop = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<CollectorReady>();
  const over = runCollector({
    settings,
    version: VERSION,
    clock,
    log: SILENT,
    signal: stop.signal,
    onReady: resolve,
    databaseWorker: DATABASE_WORKER,
    inventoryWorker: INVENTORY_WORKER,
    standardOutput: process.stderr,
    consoleDirectory,
  });
  over.catch(reject);
  scope.teardown(async () => {
    stop.abort();
    await over.catch(() => undefined);
  });
  return ready;
}

async function startAgent({ scope, clock }: ProgramScope, settings: Settings): Promise<{ readonly nodeId: string }> {
  const stop = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<{ readonly nodeId: string }>();
  const over = runAgent({
    settings,
    version: VERSION,
    queryWorker: QUERY_WORKER,
    inventoryWorker: INVENTORY_WORKER,
    clock,
    log: SILENT,
    signal: stop.signal,
    onReady: resolve,
  });
  over.catch(reject);
  scope.teardown(async () => {
    stop.abort();
    await over.catch(() => undefined);
  });
  return ready;
}

/** What the collector itself counts: at least the nodes that are offline. */
export async function issueCount(site: { readonly url: string; readonly token: string }): Promise<number> {
  const { issues } = (await (await fetchApi(site, '/v1/status')).json()) as { issues: readonly unknown[] };
  return issues.length;
}

/** Does the collector know this node? */
export async function isKnown(
  site: { readonly url: string; readonly token: string },
  nodeId: string,
): Promise<boolean> {
  return (await fetchApi(site, `/v1/nodes/${nodeId}`)).ok;
}

/** Asks the operator API. */
export function fetchApi(site: { readonly url: string; readonly token: string }, path: string): Promise<Response> {
  return fetch(site.url + path, { headers: { authorization: `Bearer ${site.token}` } });
}

/** Sends a POST to the operator API. Rejects where it is refused. */
export async function postApi(
  { url, token }: { readonly url: string; readonly token: string },
  path: string,
  body: object,
): Promise<unknown> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`POST ${path}: ${String(response.status)} ${await response.text()}`);
  return response.json();
}
