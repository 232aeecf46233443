import t from 'tap';
import { openPorts } from '../../../../posture/check/host/open-ports.ts';
import { parameterProblem } from '../../../../posture/check/parameter.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import type { Judgement } from '../../../../posture/verdict.ts';
import { factsOf, hostFact } from '../../../fixture/facts.ts';

const TABLE = '/proc/1/net/tcp';

function judge(expected: readonly string[], ports: readonly number[], more = 0): Judgement | undefined {
  const check = openPorts.withParameters?.({ expected });
  const open = { ports: ports.map((port) => ({ port, addresses: ['0.0.0.0', '::'] })), more };
  const facts = factsOf({ host: hostFact({ openPorts: seen(open, TABLE) }) });
  return check?.judges === 'node' ? check.judge(facts) : undefined;
}

t.test('host.open-ports', (t) => {
  const rows: readonly (readonly [Parameters<typeof judge>, verdict: string])[] = [
    [[[], []], 'pass'],
    [[[], [22]], 'manual'],
    [[['22'], [22]], 'pass'],
    [[['22'], [22, 8080]], 'fail'],
    [[['22'], [222]], 'fail'],
    [[['30000-32767'], [30000, 32767]], 'pass'],
    [[['30000-32767'], [29999]], 'fail'],
    [[['30000-32767'], [32768]], 'fail'],
    [[['22'], []], 'pass'],
    // Those that the agent does not list may be any.
    [[['22', '1024-65535'], [22, 4000], 1], 'unknown'],
    [[['22'], [22, 80], 1], 'fail'],
  ];
  for (const [given, verdict] of rows) t.match(judge(...given), { verdict }, JSON.stringify(given));
  t.match(openPorts.judge(factsOf({ host: hostFact({ openPorts: unreadable(TABLE, 'EACCES') }) })), {
    verdict: 'unknown',
    reason: `${TABLE}: EACCES`,
  });
  t.match(judge(['22'], [22, 8080])?.evidence, [
    { source: TABLE, seen: 'port 8080 on 0.0.0.0, ::', expected: 'one of 22' },
  ]);
  t.end();
});

t.test('whoever opens hundreds of ports hides none', (t) => {
  const ports = Array.from({ length: 500 }, (_, index) => 20_000 + index);
  for (const expected of [[], ['22']]) {
    const { evidence = [] } = judge(expected, [...ports, 31_337], 7) ?? {};
    t.ok(evidence.length <= 32);
    for (const port of [...ports, 31_337]) t.ok(evidence.some(({ seen }) => seen.split(/\W+/).includes(String(port))));
    t.match(evidence.at(-1)?.seen, /^7 more/);
  }
  t.end();
});

t.test('ports and ranges of ports are accepted, and nothing else', (t) => {
  const { expected } = openPorts.parameters ?? {};
  if (expected === undefined) throw new Error('no parameter');
  for (const text of ['1', '22', '65535', '1-65535', '80-80']) t.equal(parameterProblem(expected, [text]), undefined);
  for (const text of ['', '0', '65536', '90-80', '22-', '-22', '22,80', 'ssh', '0x16', ' 22', '22/tcp', '1-2-3'])
    t.match(parameterProblem(expected, [text]), /such as \["22"/, text);
  t.end();
});
