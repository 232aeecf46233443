import { status } from '@grpc/grpc-js';
import t from 'tap';
import { startCollector } from './collector.ts';
import { hello } from './messages.ts';
import { certificateFor } from './node.ts';

void t.test('a revoked certificate ends open sessions, and no new one begins', async (t) => {
  const collector = await startCollector(t);
  const [open, silent, other] = await Promise.all([
    collector.connect('web-1'),
    collector.connect('web-1'),
    collector.connect('db-1'),
  ]);
  open.say(hello());
  await open.hearA('welcome');
  other.say(hello());
  await other.hearA('welcome');
  collector.revoked.add('web-1');
  const startedMs = performance.now();
  collector.server.disconnectRevoked('web-1');
  for (const node of [open, silent])
    t.match(await node.ended, { code: status.UNAUTHENTICATED, details: /revoked; enrol the node again/ });
  t.ok(performance.now() - startedMs < 10_000, 'within seconds');
  const again = await collector.connect('web-1');
  again.say(hello());
  t.match(await again.ended, { code: status.UNAUTHENTICATED, details: /revoked/ });
  t.same(collector.server.sessions.connected(), ['db-1'], 'other nodes stay connected');
});

void t.test('a session ends when its certificate expires', async (t) => {
  const collector = await startCollector(t);
  const terms = { nowMs: Date.now(), validityMs: 3_000 };
  const identity = await certificateFor('web-1', collector.fleet.authority, terms);
  const node = await collector.connect('web-1', { identity });
  node.say(hello());
  await node.hearA('welcome');
  t.match(await node.ended, { code: status.UNAUTHENTICATED, details: /has expired; connect again/ });
});
