import { isFindingEvent } from '../../../collector/store/stored-event.ts';
import * as fc from 'fast-check';
import type { Test } from 'tap';
import type { FindingSet } from '../../../posture/delta.ts';
import { digestOf } from '../../../posture/digest.ts';
import { findingContent, SUBJECT_KINDS } from '../../../posture/finding.ts';
import type { Finding } from '../../../posture/finding.ts';
import { SEVERITIES, VERDICTS } from '../../../posture/verdict.ts';
import type { Commit, Store } from '../../../collector/store/store.ts';
import { commit, finding } from './fleet.ts';
import { applyDelta } from '../../posture/apply-delta.ts';

/** Changes as an agent makes them, over few subjects so that they meet. */
const anyChange = fc.record({
  node: fc.constantFrom('n1', 'n2'),
  snapshot: fc.boolean(),
  put: fc.array(
    fc.record({
      check: fc.constantFrom('container.a', 'container.b', 'kernel.c'),
      kind: fc.constantFrom(...SUBJECT_KINDS),
      on: fc.constantFrom('1', 'a/b', '/x', '%'),
      verdict: fc.constantFrom(...VERDICTS),
      severity: fc.constantFrom(...SEVERITIES),
      title: fc.constantFrom('one', 'two'),
      evidence: fc.array(fc.record({ source: fc.constant('s'), seen: fc.string(), expected: fc.string() }), {
        maxLength: 2,
      }),
      reason: fc.option(fc.string(), { nil: undefined }),
    }),
    { maxLength: 6 },
  ),
  gone: fc.array(fc.nat(20), { maxLength: 3 }),
});

export async function randomChanges(t: Test, store: Store): Promise<void> {
  const sets = new Map<string, FindingSet>();
  const sequences = new Map<string, number>();
  const model = fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 8 }), async (changes) => {
    const batch: Commit[] = [];
    for (const { node, snapshot, ...change } of changes) {
      const before = sets.get(node) ?? new Map<string, Finding>();
      const put = change.put.map(({ reason, ...rest }) => finding(reason === undefined ? rest : { ...rest, reason }));
      const ids = [...before.keys()];
      const gone = change.gone.flatMap((index) => ids[index] ?? []);
      const sequence = (sequences.get(node) ?? 0) + 1;
      const whole = snapshot || sequence === 1;
      batch.push(commit({ nodeId: node, sequence, snapshot: whole, put, gone: whole ? [] : gone }));
      sequences.set(node, sequence);
      sets.set(node, applyDelta(whole ? new Map() : before, { added: put, changed: [], gone: whole ? [] : gone }));
    }
    const results = await store.commit(batch);
    if (results.some(({ outcome }) => outcome !== 'applied')) return false;
    const contents = (findings: Iterable<Finding>): string => [...findings].map(findingContent).sort().join('\n');
    for (const [node, set] of sets) {
      const stored = (await store.findings({ nodes: [node], limit: 10_000 })).findings;
      const state = await store.replicationState(node);
      if (contents(stored) !== contents(set.values())) return false;
      if (state?.digest !== digestOf(set.values()) || state.findings !== set.size) return false;
    }
    const counted = (await store.counts()).reduce((sum, { count }) => sum + count, 0);
    return counted === [...sets.values()].reduce((sum, { size }) => sum + size, 0);
  });
  await fc.assert(model, { numRuns: 150 });
  // The open findings must be what the events say when they are played in order.
  const open = new Set<string>();
  for (const { action, finding } of (await store.outbox(0, 10_000)).filter(isFindingEvent)) {
    if (action === 'resolved') open.delete(finding.uid);
    else open.add(finding.uid);
  }
  const stored = await store.findings({ verdicts: ['fail', 'unknown', 'manual'], limit: 10_000 });
  t.same([...open].sort(), stored.findings.map(({ uid }) => uid).sort());
}
