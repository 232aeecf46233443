import t from 'tap';
import { conflictBetween, parseContainerPolicy } from '../../../policy/docker/container-policy.ts';

const HEAD = { apiVersion: 'plimsoll.dev/v1', kind: 'ContainerPolicy', metadata: { name: 'a' } };

t.test('a document that is wrong is refused, with the place', (t) => {
  const cases: readonly (readonly [document: unknown, problem: RegExp])[] = [
    [null, /expected an object/],
    [{ ...HEAD, kind: 'ImagePolicy' }, /^kind: expected ContainerPolicy/],
    [{ ...HEAD, apiVersion: 'v1' }, /^apiVersion: /],
    [{ ...HEAD, metadata: { name: 'A B' } }, /^metadata\.name: /],
    [{ ...HEAD, spec: { allowPriviledged: true } }, /^spec\.allowPriviledged: unknown field.*allowPrivileged/],
    [{ ...HEAD, spec: { hostPaths: [{ path: 'srv' }] } }, /^spec\.hostPaths\[0\]\.path: /],
    [{ ...HEAD, spec: { hostPaths: [{ path: '/srv/../etc' }] } }, /^spec\.hostPaths\[0\]\.path: /],
    [{ ...HEAD, spec: { hostPaths: ['/srv'] } }, /^spec\.hostPaths\[0\]: /],
    [{ ...HEAD, spec: { operations: ['everything'] } }, /^spec\.operations\[0\]: /],
    [{ ...HEAD, spec: { match: { clients: [] } } }, /^spec\.match\.clients: an empty list/],
  ];
  for (const [document, problem] of cases) {
    const parsed = parseContainerPolicy({ value: document, source: 'file' });
    t.notOk(parsed.ok);
    if (!parsed.ok) t.match(parsed.problem, problem);
  }
  t.match(parseContainerPolicy({ value: HEAD, source: 'file' }), { ok: true, value: { name: 'a', mode: 'enforce' } });
  t.end();
});

t.test('two policies that could decide on the same client conflict', (t) => {
  const policyFor = (name: string, clients: readonly string[]) => {
    const parsed = parseContainerPolicy({
      value: { ...HEAD, metadata: { name }, spec: { match: { clients } } },
      source: 'file',
    });
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.value;
  };
  t.match(conflictBetween(policyFor('a', ['x']), policyFor('a', ['y'])), /name a is used twice/);
  t.match(conflictBetween(policyFor('a', ['ci-*']), policyFor('b', ['*-ci'])), /equally specific/);
  t.match(conflictBetween(policyFor('a', ['x']), policyFor('b', ['x'])), /equally specific/);
  t.equal(conflictBetween(policyFor('a', ['ci-*']), policyFor('b', ['ci-1'])), undefined);
  t.equal(conflictBetween(policyFor('a', ['a-*']), policyFor('b', ['b-*'])), undefined);
  t.end();
});
