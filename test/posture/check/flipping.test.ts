import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { CHECKS } from '../../../posture/check/registry.ts';

/*
 * Every check: somewhere in its tests are two nodes that differ in one observation only, and the check accepts one and
 * refuses the other. A check that its tests never make fail, or only together with something else, is found here.
 */

/**
 * They never pass: what the kernel has loaded, what an operator decided, or what people have in their environment is not
 * known; and an agent that is there is no finding.
 */
const NEVER_PASS = /^audit\.|^swarm\.unlock-key-rotation$|^daemon\.content-trust$|^agent\.enrollment$/;

void t.test('one observation flips the verdict of each check', { timeout: 60_000 }, async (t) => {
  const directory = import.meta.dirname;
  const tests = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.test.ts') && !/^(?:registry|flipping)\.test\.ts$/.test(name),
  );
  const file = join(t.testdir(), 'judgements.json');
  const program = tests.map((name) => `await import(${JSON.stringify(join(directory, name))});`).join('\n');
  const recorder = join(directory, '../../fixture/record-judgements.ts');
  await promisify(execFile)(
    process.execPath,
    ['--import', recorder, '--input-type=module', '--eval', program],
    // The outcome of these tests is asserted where they run.
    { env: { ...process.env, TAP: '1', JUDGEMENTS_FILE: file }, maxBuffer: 256 * 2 ** 20 },
  ).catch(() => undefined);
  const all = JSON.parse(readFileSync(file, 'utf8')) as readonly {
    readonly id: string;
    readonly verdicts: readonly string[];
    readonly between?: readonly string[];
  }[];
  const known = new Map(all.map((one) => [one.id, one]));
  for (const { id } of CHECKS) {
    // No API says it: whoever has a swarm is asked.
    if (id === 'swarm.data-path') continue;
    const { verdicts = [], between } = known.get(id) ?? {};
    t.ok(between !== undefined && between.length <= 1, `${id}: ${between?.join(', ') ?? verdicts.join(', ')}`);
    if (!NEVER_PASS.test(id)) t.ok(verdicts.includes('pass'), `${id} passes: ${verdicts.join(', ')}`);
  }
});
