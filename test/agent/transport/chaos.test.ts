import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import t from 'tap';
import { spoolDirectory, startLinkNode, until } from './link-node.ts';
import type { Said } from './link-node.ts';
import { breakOff, emptyMemory, makeTls, startTinyCollector } from './tiny-collector.ts';

/** What can happen to a node and its collector. */
type Step =
  | { readonly kind: 'say'; readonly name: string; readonly text: string }
  | { readonly kind: 'break' | 'collector' | 'agent' | 'remove' | 'pause' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('say' as const),
      name: fc.constantFrom('a', 'b', 'c'),
      text: fc.constantFrom('0', '1', ''),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom({ kind: 'break' }, { kind: 'collector' }, { kind: 'agent' }, { kind: 'pause' }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'remove' } as const) },
);

void t.test('whatever goes down and comes back, in the end both say the same, and no delta came twice', async (t) => {
  const tls = await makeTls(t);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const directory = spoolDirectory(t);
      const memory = emptyMemory();
      let collector = await startTinyCollector(tls.collector, memory);
      const { port } = collector;
      let said: Said = { a: '0' };
      let node = startLinkNode(t, { tls: tls.agent, port, directory, said });
      const violations: string[] = [];
      for (const what of steps) {
        if (what.kind === 'say') {
          const { [what.name]: _, ...others } = said;
          said = what.text === '' ? others : { ...others, [what.name]: what.text };
          node.say(said);
        } else if (what.kind === 'break') breakOff(collector.call());
        else if (what.kind === 'pause') await new Promise((resolve) => void setTimeout(resolve, 20));
        else if (what.kind === 'agent') {
          await node.stop();
          node = startLinkNode(t, { tls: tls.agent, port, directory, said });
        } else {
          collector.kill();
          violations.push(...collector.violations);
          if (what.kind === 'remove') Object.assign(memory, { epoch: '', committed: 0, findings: new Map() });
          collector = await startTinyCollector(tls.collector, memory, { port });
        }
      }
      const { spool } = node;
      const found = () =>
        Object.fromEntries(
          [...memory.findings.values()].map(({ subject, evidence }) => [subject.name, evidence[0]?.seen]),
        );
      // Of a collector that has just lost its memory the node may not have heard yet: then its spool is at rest.
      await until(
        'all is committed',
        () =>
          spool.status().acked === spool.status().last &&
          spool.status().resync === undefined &&
          isDeepStrictEqual(found(), said),
      );
      await node.stop();
      collector.kill();
      t.same(found(), said);
      t.same([...violations, ...collector.violations], []);
      t.same(
        memory.log.filter((entry) => entry.startsWith('duplicate')),
        [],
      );
    }),
    { numRuns: 20 },
  );
});
