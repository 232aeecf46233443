import { join } from 'node:path';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import { packFinding } from '../../collector/store/row.ts';
import type { NodeRow, Store } from '../../collector/store/store.ts';
import { findingTitle } from '../../posture/check/check.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { findingId } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import type { Verdict } from '../../posture/verdict.ts';
import { nodeRow } from '../collector/store/fleet.ts';
import { createRandom } from '../fixture/random.ts';

/** Names that a hostile container may have. None may become anything but text. */
export const HOSTILE = Object.freeze({
  markup: '<img src=x onerror=alert(1)>',
  script: '"><script>alert(document.domain)</script>',
  escape: 'red\u001b[31mname\u0007',
  bidi: 'invoice\u202egnp.exe',
  invisible: 'a\u200bb\u2066c\u{e0041}d',
  long: `long-${'x'.repeat(480)}`,
});

const DAY_MS = 86_400_000;
/** Containers of each node; together with the checks of containers they make more than ten thousand findings. */
const CONTAINERS = 85;

/** Nodes that are seeded; none has a session. */
export const SEEDED_NODES = ['web-1', 'web-2', 'db-1', 'edge-7', HOSTILE.markup] as const;

/**
 * Fills the store of a collector that does not run yet: five nodes with more than ten thousand findings, whose history
 * goes back three weeks. The same every time. Answers how many findings there are.
 */
export async function seedStore(dataDir: string, nowMs: number): Promise<number> {
  const store = await openSqliteStore({ path: join(dataDir, 'store.sqlite') });
  let total = 0;
  for (const [index, name] of SEEDED_NODES.entries()) total += await seedNode(store, { index, name, nowMs });
  await store.close();
  return total;
}

interface SeededNode {
  readonly index: number;
  readonly name: string;
  readonly nowMs: number;
}

async function seedNode(store: Store, { index, name, nowMs }: SeededNode): Promise<number> {
  const id = `seeded-${String(index)}`;
  await store.putNodes([rowOf(id, name, nowMs)]);
  const random = createRandom(index + 1).next;
  const findings = containerNames(index).flatMap((container) =>
    CHECKS.filter(({ judges }) => judges === 'container').map((check) => findingOf(check, container, random)),
  );
  const start = { nodeId: id, epoch: 'seed', gone: [] };
  const at = (ageMs: number) => ({ observedAtMs: nowMs - ageMs, receivedAtMs: nowMs - ageMs });
  await store.commit([{ ...start, ...at(21 * DAY_MS), sequence: 1, snapshot: true, put: findings.map(packFinding) }]);
  // Some are mended, and some of these break again: what the plot shows.
  for (let step = 1; step <= 12; step += 1) {
    const put = findings
      .filter((_, position) => (position * 7 + step * 13) % 97 === 0)
      .map((finding, position) => judgedAgain(finding, (position + step) % 3 === 0 ? 'fail' : 'pass'));
    await store.commit([
      { ...start, ...at((21 - step * 1.7) * DAY_MS), sequence: step + 1, snapshot: false, put: put.map(packFinding) },
    ]);
  }
  return findings.length;
}

function judgedAgain(finding: Finding, verdict: Verdict): Finding {
  return { ...finding, verdict };
}

function rowOf(id: string, name: string, nowMs: number): NodeRow {
  return nodeRow({
    id,
    name,
    connected: false,
    firstSeenMs: nowMs - 21 * DAY_MS,
    lastSeenMs: nowMs - 2 * 3_600_000,
    offlineSinceMs: nowMs - 2 * 3_600_000,
    containers: containerNames(1).map((container, position) => ({
      id: `${String(position).padStart(4, '0')}${'ab'.repeat(30)}`,
      name: container,
      image: 'registry.example/shop:1.4',
      imageId: `sha256:${'cd'.repeat(32)}`,
      startedAt: '2026-11-01T08:00:00.000000000Z',
    })),
  });
}

function containerNames(index: number): readonly string[] {
  const plain = Array.from({ length: CONTAINERS - 6 }, (_, position) => `shop-${String(index)}-${String(position)}`);
  return [...Object.values(HOSTILE), ...plain];
}

function findingOf(check: (typeof CHECKS)[number], container: string, random: () => number): Finding {
  const subject = { kind: 'container', id: `id-${container}`.slice(0, 120), name: container } as const;
  const verdict = VERDICTS[[0, 0, 1, 3, 3, 3, 3, 3, 2, 4][Math.floor(random() * 10)] ?? 3] ?? 'pass';
  const severity = SEVERITIES[Math.min(3, Math.floor(random() * 2 + SEVERITIES.indexOf(check.severity)))] ?? 'low';
  return {
    id: findingId(check.id, subject),
    check: check.id,
    title: findingTitle(check, verdict),
    verdict,
    severity,
    subject,
    evidence: [{ source: '/proc/4121/status', seen: `Seccomp: 0 of ${container}`, expected: 'Seccomp: 2' }],
    ...(verdict === 'unknown' || verdict === 'manual' ? { reason: `nobody could look at ${container}` } : {}),
  };
}
