import t from 'tap';
import { createRevisions } from '../../../../agent/runtime/docker/revisions.ts';
import type { FollowedStream, Revisions } from '../../../../agent/runtime/docker/revisions.ts';
import type { ContainerEntry } from '../../../../agent/runtime/docker/container-schema.ts';

const HOUR_MS = 3_600_000;
const ID = 'c1'.repeat(32);
const OTHER = 'f0'.repeat(32);

function entry(more: Partial<ContainerEntry> = {}): ContainerEntry {
  const listed = { Id: ID, Names: ['/shop'], State: 'running', Status: 'Up 5 minutes', ImageID: 'sha256:0a' };
  return { ...listed, Ports: [], Mounts: [], NetworkSettings: { Networks: { bridge: { NetworkID: 'n1' } } }, ...more };
}

interface Followed {
  readonly revisions: Revisions;
  readonly stream: FollowedStream;
  readonly advance: (milliseconds: number) => void;
}

function followed(): Followed {
  let nowMs = 0;
  const revisions = createRevisions(() => nowMs);
  const stream = revisions.open();
  return { revisions, stream, advance: (milliseconds) => void (nowMs += milliseconds) };
}

void t.test('without an event stream there is no revision', (t) => {
  const revisions = createRevisions(() => 0);
  t.equal(revisions.of(entry()), '');
  const stream = revisions.open();
  const first = revisions.of(entry());
  t.not(first, '');
  t.ok(first.length <= 128);
  stream.close();
  t.equal(revisions.of(entry()), '', 'the stream has ended');
  revisions.open();
  t.not(revisions.of(entry()), first, 'what happened between two streams is not known');
  t.end();
});

void t.test('an event about a container ends its revision and no other', (t) => {
  const { revisions, stream } = followed();
  const now = (): readonly [string, string] => [revisions.of(entry()), revisions.of(entry({ Id: OTHER }))];
  const seen = new Set<string>();
  for (const kind of ['containerChanged', 'containerStarted'] as const) {
    const [own, other] = now();
    stream.onEvent({ kind, id: ID });
    t.not(now()[0], own, kind);
    t.equal(now()[1], other, `${kind}: the other container`);
    seen.add(own);
    t.notOk(seen.has(now()[0]), 'no revision comes back');
  }
  const [own, other] = now();
  stream.onEvent({ kind: 'execChanged', id: ID });
  t.strictSame(now(), [own, other], 'a health check changes no answer');
  stream.onEvent({ kind: 'engineReloaded' });
  t.not(now()[0], own);
  t.not(now()[1], other, 'the configuration of the engine is that of all');
  t.end();
});

void t.test('many changed containers are forgotten together, never one by one', (t) => {
  const { revisions, stream } = followed();
  stream.onEvent({ kind: 'containerChanged', id: ID });
  const seen = new Set([revisions.of(entry())]);
  for (let index = 0; index < 20_000; index += 1) {
    stream.onEvent({ kind: 'containerChanged', id: String(index) });
    if (index % 5000 !== 0) continue;
    stream.onEvent({ kind: 'containerChanged', id: ID });
    t.notOk(seen.has(revisions.of(entry())));
    seen.add(revisions.of(entry()));
  }
  t.end();
});

void t.test('what the list says is compared as well', (t) => {
  const { revisions } = followed();
  const port = (PublicPort: number): object => ({ IP: '0.0.0.0', PrivatePort: 80, PublicPort, Type: 'tcp' });
  const [first, second] = [port(8080), port(8081)];
  const mounts = [{ Destination: '/a' }, { Destination: '/b' }];
  const revision = revisions.of(entry({ Ports: [first, second], Mounts: mounts }));
  // The engine lists them in the order of a Go map.
  t.equal(revisions.of(entry({ Ports: [second, first], Mounts: mounts.toReversed() })), revision);
  t.equal(revisions.of(entry({ Ports: [first, second], Mounts: mounts, Status: 'Up 6 minutes' })), revision);
  const changes: readonly (readonly [string, Partial<ContainerEntry>])[] = [
    ['name', { Names: ['/renamed'] }],
    ['state', { State: 'paused', Status: 'Up 5 minutes (Paused)' }],
    ['health', { Status: 'Up 5 minutes (unhealthy)' }],
    ['image', { ImageID: 'sha256:0b' }],
    ['port', { Ports: [first] }],
    ['mount', { Mounts: mounts.slice(1) }],
    ['network', { NetworkSettings: { Networks: { host: { NetworkID: 'n2' } } } }],
  ];
  for (const [name, change] of changes)
    t.not(revisions.of(entry({ Ports: [first, second], Mounts: mounts, ...change })), revision, name);
  for (const strange of [undefined, null, 'x', {}, [null, 7]])
    t.not(revisions.of(entry({ Ports: strange, Mounts: strange, NetworkSettings: strange })), '');
  t.end();
});

void t.test('each revision ends within an hour, not all at once', (t) => {
  const { revisions, advance } = followed();
  const ids = Array.from({ length: 200 }, (_, index) => ((index * 7919) % 65_536).toString(16).padStart(64, '0'));
  const idsByStart = ids.map((id) => id.slice(-4) + id.slice(4));
  let before = idsByStart.map((Id) => revisions.of(entry({ Id })));
  const initial = before;
  let most = 0;
  const asked = new Set<number>();
  // As many sweeps as an hour has with the default interval of five minutes.
  for (let sweep = 0; sweep < 12; sweep += 1) {
    advance(HOUR_MS / 12);
    const after = idsByStart.map((Id) => revisions.of(entry({ Id })));
    const changed = after.flatMap((revision, index) => (revision === before[index] ? [] : [index]));
    for (const index of changed) asked.add(index);
    most = Math.max(most, changed.length);
    before = after;
  }
  t.equal(asked.size, 200, 'all were asked about within an hour');
  t.ok(most <= 40, `at most ${String(most)} of 200 in one sweep`);
  t.notOk(before.some((revision, index) => revision === initial[index]));
  t.end();
});

void t.test('where the engine may have dropped events, no revision stays', (t) => {
  // moby, daemon/events/events.go: 1,024 events wait for a reader, then further ones are dropped.
  const line = Buffer.from(`${JSON.stringify({ Type: 'container', Action: 'top', Actor: { ID: OTHER } })}\n`);
  const backlog = followed();
  const revision = backlog.revisions.of(entry());
  for (let index = 0; index < 1024; index += 1) {
    if (index === 512) backlog.advance(5000);
    backlog.stream.onBytes(line);
  }
  t.not(backlog.revisions.of(entry()), revision, 'a backlog that is read at a stretch');

  const joined = followed();
  const before = joined.revisions.of(entry());
  joined.stream.onBytes(Buffer.concat(Array.from({ length: 1024 }, () => line)));
  t.not(joined.revisions.of(entry()), before, 'in one piece');

  const large = followed();
  const earlier = large.revisions.of(entry());
  for (let index = 0; index < 9; index += 1) large.stream.onBytes(Buffer.alloc(1024 * 1024, 0x20));
  t.not(large.revisions.of(entry()), earlier, 'few events that keep the reader busy');

  const quiet = followed();
  const kept = quiet.revisions.of(entry());
  // 200 containers whose health is checked every 30 s: three events each.
  for (let second = 0; second < 60; second += 1) {
    quiet.advance(1000);
    for (let index = 0; index < 20; index += 1) quiet.stream.onBytes(line);
  }
  t.equal(quiet.revisions.of(entry()), kept, 'health checks are no flood');
  t.end();
});
