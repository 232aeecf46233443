import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cannotMount, mountSmall } from '../../component/tmpfs.ts';
import { startLinkNode, until } from './link-node.ts';
import { emptyMemory, makeTls, startTinyCollector } from './tiny-collector.ts';

await t.test(
  'a spool on a full disk: counted, reported, and a resync says it all',
  { skip: cannotMount() },
  async (t) => {
    const tls = await makeTls(t);
    const memory = emptyMemory();
    const directory = mountSmall(t, '256k');
    const before = await startTinyCollector(tls.collector, memory);
    const { port } = before;
    const said: Record<string, string> = { a: 'first' };
    const node = startLinkNode(t, { tls: tls.agent, port, directory, said: { ...said } });
    const isCaughtUp = (): boolean => {
      const { acked, last, resync } = node.spool.status();
      return acked === last && resync === undefined;
    };
    await until('all is committed', isCaughtUp);
    before.kill();

    const filler = join(directory, 'filler');
    t.throws(() => writeFileSync(filler, Buffer.alloc(512 * 1024)), { code: 'ENOSPC' });
    for (let index = 0; index < 20; index += 1) {
      said[`c${String(index)}`] = 'x'.repeat(5000);
      node.say({ ...said });
    }
    const { dropped, resync } = node.spool.status();
    t.ok(dropped > 0, `${String(dropped)} deltas could not be kept`);
    t.equal(resync, 'a delta could not be kept');
    t.ok(
      node.logged.some((line) => /could not be written to the spool .*ENOSPC/.test(line)),
      'and it is said',
    );

    const after = await startTinyCollector(tls.collector, memory, { port });
    const isSame = (): boolean => {
      const stored = new Map(
        [...memory.findings.values()].map(({ subject, evidence }) => [subject.name, evidence[0]?.seen]),
      );
      return stored.size === Object.keys(said).length && [...stored].every(([name, seen]) => said[name] === seen);
    };
    await until('the collector has it all, while the disk is still full', isSame);
    await until('the heartbeat tells', () => after.heartbeats.some((heartbeat) => heartbeat.dropped === dropped));

    rmSync(filler);
    said['a'] = 'with room again';
    node.say({ ...said });
    await until('deltas are kept again', () => isSame() && isCaughtUp());
    t.equal(node.spool.status().dropped, dropped, 'nothing more is lost');
    t.same(after.violations, []);
    await node.stop();
    after.kill();
  },
);
