import t from 'tap';
import { changeOfEvent, changeOfNode } from '../../../console/fleet/change.ts';
import type { Change } from '../../../console/fleet/change.ts';
import { groupChanges } from '../../../console/fleet/change-groups.ts';
import type { FindingEvent, FleetFinding } from '../../../api/finding.ts';
import { fleetNode, happened, shown } from '../finding.ts';

let position = 0;

/** A change of a finding of the container `name`; `id` tells containers of one name apart. */
function change(
  action: FindingEvent['action'],
  atMs: number,
  { id = 'c1', name = 'shop', ...over }: Partial<FleetFinding> & { readonly id?: string; readonly name?: string } = {},
): Change {
  position += 1;
  const subject = { kind: 'container', id, name } as const;
  return {
    ...changeOfEvent(
      happened(
        action,
        shown({ uid: `${over.nodeId ?? 'n1'} ${id} ${over.check ?? ''}`, ...over, subject }),
        null,
        position,
      ),
    ),
    atMs,
  };
}

const texts = (changes: readonly Change[]): readonly string[] =>
  groupChanges(changes).map((entry) =>
    entry.type === 'group' ? `${entry.worst.subjectName} ${entry.sentence}` : entry.key.replace(/ \d+$/, ''),
  );

void t.test('what a container brings when it starts is one entry', async (t) => {
  const [a, b, c] = ['a.b', 'c.d', 'e.f'];
  const started = [
    change('opened', 33_000, { check: c, severity: 'low' }),
    change('opened', 3_000, { check: b, severity: 'critical' }),
    change('opened', 0, { check: a, severity: 'high' }),
  ];
  t.strictSame(
    texts(started),
    ['shop started: 3 findings opened'],
    'judged at the start, and again after 3 s and 30 s',
  );
  const [group] = groupChanges(started);
  t.match(group, { type: 'group', atMs: 33_000, worst: { severity: 'critical' } });
  t.strictSame(texts([change('opened', 90_000), change('opened', 0)]), ['finding', 'finding'], 'far apart');
  t.strictSame(texts([change('opened', 0, { name: 'x' }), change('opened', 0, { name: 'y' })]), ['finding', 'finding']);
  t.strictSame(
    texts([change('opened', 0), change('opened', 0, { nodeId: 'n2' })]),
    ['finding', 'finding'],
    'another node',
  );
  t.strictSame(texts([changeOfNode(fleetNode(), 5), change('resolved', 3), change('resolved', 0, { check: a })]), [
    'node n1',
    'shop 2 findings resolved',
  ]);
});

void t.test('a restart of a container of the same name is shown as a restart', async (t) => {
  const checks = ['a.b', 'c.d'];
  const gone = checks.map((check) => change('resolved', 1000, { check, id: 'old' }));
  const back = checks.map((check) => change('opened', 2000, { check, id: 'new', uid: `new ${check}` }));
  t.strictSame(texts([...back, ...gone]), ['shop restarted: unchanged']);
  const first = checks.map((check) => change('opened', 0, { check, id: 'old' }));
  t.strictSame(
    texts([...back, ...gone, ...first]),
    ['shop started: 2 findings opened'],
    'nothing is left of the first',
  );
  const worse = change('opened', 2000, { check: 'x.y', id: 'new', uid: 'new x.y' });
  t.strictSame(texts([worse, ...back, ...gone]), ['shop restarted: 2 findings unchanged, 1 finding opened']);
  const milder = checks.map((check) => change('opened', 2000, { check, uid: `new ${check}`, severity: 'low' }));
  t.strictSame(texts([...milder, ...gone]), ['shop 2 findings opened, 2 findings resolved'], 'not the same any more');
});

void t.test('a name that another container takes over closes nothing', async (t) => {
  // Both run: the neighbour keeps its findings, and the newcomer's are listed beside them under their own uid.
  const newcomer = change('opened', 2000, { id: 'evil', uid: 'evil', check: 'a.b' });
  const neighbour = change('opened', 1000, { id: 'good', uid: 'good', check: 'a.b' });
  const [group] = groupChanges([newcomer, neighbour]);
  t.match(group, {
    type: 'group',
    sentence: 'started: 2 findings opened',
    changes: [{ uid: 'evil' }, { uid: 'good' }],
  });
  const sameFinding = [change('opened', 2000, { uid: 'good' }), change('resolved', 1000, { uid: 'good' })];
  t.strictSame(texts(sameFinding), ['shop 1 finding changed'], 'one that flaps is no restart');
});

void t.test('a subject that changes without end does not become one entry', async (t) => {
  const many = Array.from({ length: 100 }, (_, index) => change('changed', 1_000_000 - index * 10_000));
  t.equal(texts(many).length, Math.ceil(100 / 13), 'two minutes each');
});
