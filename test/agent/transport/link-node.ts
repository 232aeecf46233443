import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QueryAnswerer } from '../../../agent/transport/query-answerer.ts';
import { createSessionClient } from '../../../agent/transport/session-client.ts';
import type { SessionClient } from '../../../agent/transport/session-client.ts';
import { openSpool } from '../../../agent/transport/spool.ts';
import type { Spool } from '../../../agent/transport/spool.ts';
import { diff } from '../../../posture/delta.ts';
import { findingId } from '../../../posture/finding.ts';
import type { Finding } from '../../../posture/finding.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Clock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import type { TlsFiles } from '../../../service/tls/load-tls-files.ts';

interface Test {
  readonly teardown: (run: () => unknown) => void;
}

/** Findings by subject name; the text is what they say. */
export type Said = Readonly<Record<string, string>>;

export interface LinkNode {
  readonly link: SessionClient;
  readonly spool: Spool;
  readonly logged: string[];
  /** The findings are now these. */
  readonly say: (said: Said) => void;
  /** Ends it in good order. */
  readonly stop: () => Promise<void>;
}

export function spoolDirectory(test: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-link-'));
  test.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function finding(name: string, seen: string): Finding {
  const subject = { kind: 'container', id: name, name } as const;
  const evidence = [{ source: '/proc/1/status', seen, expected: 'Seccomp: 2' }];
  const check = 'container.seccomp-filter';
  return { id: findingId(check, subject), check, title: 'T', verdict: 'fail', severity: 'high', subject, evidence };
}

const NOBODY: QueryAnswerer = {
  answer: async function* () {
    yield { last: true, error: 'nobody answers here' };
  },
};

/** A node with a real spool and a real link, whose findings a test sets. */
export function startLinkNode(
  test: Test,
  options: {
    readonly tls: TlsFiles;
    readonly port: number;
    readonly host?: string;
    readonly directory?: string;
    readonly answerer?: QueryAnswerer;
    readonly clock?: Clock;
    readonly said?: Said;
    readonly spoolMaxBytes?: number;
  },
): LinkNode {
  const { tls, port, answerer = NOBODY, clock = systemClock(), said = {} } = options;
  const directory = options.directory ?? spoolDirectory(test);
  const logged: string[] = [];
  const add = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: add, info: add, warn: add, error: add };
  const spool = openSpool({ directory, maxBytes: options.spoolMaxBytes ?? 8 * 1024 * 1024, clock, log });
  const controller = new AbortController();
  const link = createSessionClient({
    target: { host: options.host ?? '127.0.0.1', port },
    loadTls: () => Promise.resolve(tls),
    signal: controller.signal,
    spool,
    answerer,
    inventory: () => ({ operatingSystem: 'Debian 13', kernelRelease: '6.12', cpus: 2 }),
    usage: () => ({ rssBytes: 1, cpuMs: 1 }),
    agentVersion: '0.0.0-test',
    nodeName: 'web-3',
    heartbeatIntervalMs: 600_000,
    clock,
    random: () => 0.1,
    log,
    onCaughtUp: () => undefined,
  });
  let findings = new Map<string, Finding>();
  const say = (now: Said): void => {
    const after = new Map(Object.entries(now).map(([name, seen]) => [finding(name, seen).id, finding(name, seen)]));
    link.publish(after, diff(findings, after), Date.now());
    findings = after;
  };
  say(said);
  const running = link.run();
  const stop = async (): Promise<void> => {
    if (controller.signal.aborted) return;
    controller.abort();
    await running;
    spool.close();
  };
  test.teardown(stop);
  return { link, spool, logged, say, stop };
}

/** Waits until `isTrue`; fails the test after half a minute. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let waited = 0; !isTrue(); waited += 5) {
    if (waited > 30_000) throw new Error(`not within half a minute: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
