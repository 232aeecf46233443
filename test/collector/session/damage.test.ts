import { join } from 'node:path';
import t from 'tap';
import { createEventBus } from '../../../collector/store/event-bus.ts';
import type { BusItem } from '../../../collector/store/event-bus.ts';
import { startSessionServer } from '../../../collector/session/server.ts';
import type { SessionServer } from '../../../collector/session/server.ts';
import { openHealingStore } from '../../../collector/store/healing.ts';
import { findingContent } from '../../../posture/finding.ts';
import { systemClock } from '../../../service/clock.ts';
import { finding as said, startLinkNode, until } from '../../agent/transport/link-node.ts';
import { makeTls } from '../../agent/transport/tiny-collector.ts';
import { DAMAGE, damageOpenFile } from '../store/damage.ts';
import { all } from '../store/fleet.ts';
import { collectLines } from './collector.ts';
import type { Line } from './collector.ts';

const NAMES = Array.from({ length: 400 }, (_, index) => `web-${String(index)}`);

await t.test('a damaged store: the agent brings everything back, at a start and while both run', async (t) => {
  const tls = await makeTls(t);
  const path = join(t.testdir(), 'store.sqlite');
  const lines: Line[] = [];
  const events: BusItem[] = [];

  const start = async (port: number) => {
    const clock = systemClock();
    const log = collectLines(lines);
    const eventBus = createEventBus();
    eventBus.subscribe((item) => void (item.type === 'finding' && events.push(item)));
    let askAll: SessionServer['resync'] = () => undefined;
    const onReplaced = (): void => askAll('the store was replaced');
    const { store } = await openHealingStore({ path, clock, log, onReplaced });
    const replies = { onResult: () => false, onDisconnect: () => undefined };
    const listen = { host: '127.0.0.1', port };
    const server = await startSessionServer({
      isRevoked: () => false,
      listen,
      tls: tls.collector,
      store,
      eventBus,
      replies,
      onNodeAhead: () => Promise.resolve(),
      clock,
      log,
    });
    askAll = server.resync;
    return { server, store };
  };

  let collector = await start(0);
  const port = Number(collector.server.address.split(':')[1]);
  let now: Record<string, string> = Object.fromEntries(NAMES.map((name) => [name, 'first']));
  const node = startLinkNode(t, { tls: tls.agent, port, said: now });
  /** Finding by finding, what the node says is what the store has. */
  const isRestored = async (): Promise<boolean> => {
    const stored = (await all(collector.store)).map(findingContent).sort();
    const expected = Object.entries(now).map(([name, seen]) => findingContent(said(name, seen)));
    return JSON.stringify(stored) === JSON.stringify(expected.sort());
  };
  const restored = async (what: string): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while (!(await isRestored()) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    t.ok(await isRestored(), what);
    t.equal((await collector.store.nodes())[0]?.connected, true, 'and the node is known');
  };
  await restored('at the beginning');
  const positions = (): number[] => events.flatMap((item) => (item.type === 'finding' ? [item.event.position] : []));

  await collector.server.close();
  await collector.store.close();
  DAMAGE['pages in the middle zeroed']?.(path);
  now = { ...now, 'web-1': 'while the collector was down' };
  node.say(now);
  collector = await start(port);
  await restored('damaged while the collector was down');

  // The first damage was a moment ago; a collector that is started again removes that.
  await collector.server.close();
  await collector.store.close();
  collector = await start(port);
  await until('the node is back', () => collector.server.sessions.connected().length === 1);
  damageOpenFile(path);
  now = { ...now, 'web-2': 'after the damage' };
  node.say(now);
  await restored('damaged while it runs, noticed by a commit');

  await collector.server.close();
  await collector.store.close();
  collector = await start(port);
  await until('the node is back', () => collector.server.sessions.connected().length === 1);
  damageOpenFile(path);
  await all(collector.store);
  await restored('damaged while it runs, noticed by someone who reads; the node had nothing new to say');

  t.equal(lines.filter(({ message }) => /damaged and was quarantined/.test(message)).length, 3);
  t.same(
    positions(),
    [...new Set(positions())].sort((one, other) => one - other),
    'positions only go up',
  );
  await node.stop();
  await collector.server.close();
  await collector.store.close();
});
