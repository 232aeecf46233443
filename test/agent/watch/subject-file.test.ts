import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { openSubjectFile } from '../../../agent/watch/subject-file.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import { diff } from '../../../posture/delta.ts';
import { judgeAll } from '../../../posture/judge.ts';
import { absent, seen, unreadable } from '../../../posture/observed.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { containerFact } from '../../fixture/container.ts';
import { factsOf } from '../../fixture/facts.ts';

const NOTHING = new Map();

function fileOf(test: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-subjects-'));
  test.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'subjects.json');
  const clock = createFakeClock();
  const warnings: string[] = [];
  const silent = (): void => undefined;
  const log = {
    debug: silent,
    info: silent,
    warn: (_: object, message: string) => void warnings.push(message),
    error: silent,
  };
  return { path, clock, warnings, open: () => openSubjectFile({ path, clock, log }) };
}

void t.test('an agent that starts while the engine is silent resolves nothing', async (t) => {
  const { open, clock, path } = fileOf(t);
  const first = open();
  t.equal(first.earlier.size, 0);
  const containers = ['a', 'b'].map((name) => containerFact({ id: name.repeat(64), name }));
  const findings = judgeAll(CHECKS, factsOf({ containers: seen(containers, 'list') }));
  first.update(findings, diff(NOTHING, findings));
  await clock.advance(200);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.ok(readFileSync(path).length < 8000, 'one line a subject, not one a finding');

  const silent = factsOf({ containers: unreadable('list', 'no answer'), images: unreadable('list', 'no answer') });
  const after = judgeAll(CHECKS, silent, open().earlier);
  const ofContainers = [...findings.values()].filter(({ subject }) => subject.kind === 'container');
  t.ok(ofContainers.length > 40);
  for (const { id, subject } of ofContainers) t.match(after.get(id), { verdict: 'unknown', subject });
  t.ok([...findings.values()].filter(({ subject }) => subject.kind === 'image').every(({ id }) => after.has(id)));
  const gone = judgeAll(CHECKS, factsOf({ containers: absent('socket'), images: absent('socket') }), open().earlier);
  t.notOk(
    [...gone.values()].some(({ subject }) => subject.kind === 'container'),
    'without an engine there is none',
  );
});

void t.test('what is on the disk may be anything, and the disk may be full', async (t) => {
  const { open, path, clock, warnings } = fileOf(t);
  for (const content of [
    '',
    '{',
    '[]',
    '{"checks":[],"groups":[[7]],"subjects":[{"kind":"x","id":"","name":"","group":9}]}',
  ]) {
    writeFileSync(path, content);
    t.equal(open().earlier.size, 0, content);
  }
  writeFileSync(
    path,
    '{"checks":["a.b"],"groups":[[0,5]],"subjects":[{"kind":"image","id":"i","name":"n","group":0}]}',
  );
  t.same([...open().earlier.keys()], ['a.b/image/i'], 'a number of no check is left out');
  rmSync(join(path, '..'), { recursive: true });
  const file = open();
  const findings = judgeAll(CHECKS, factsOf());
  for (let time = 0; time < 2; time += 1) {
    file.update(findings, diff(NOTHING, findings));
    await clock.advance(200);
  }
  file.close();
  t.equal(warnings.length, 1, 'it is said once');
});
