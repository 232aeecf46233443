import t from 'tap';
import { planOf } from './plan.ts';

const SHAPE = {
  starts: 200,
  collectorKills: 20,
  agentKills: 5,
  networkFaults: 9,
  fullStores: 2,
  fullSpools: 1,
  clockJumps: 6,
};

void t.test('the same seed gives the same plan, another seed another', async (t) => {
  t.same(planOf(7, SHAPE), planOf(7, SHAPE));
  t.notSame(planOf(7, SHAPE), planOf(8, SHAPE));
});

void t.test('a plan has what was asked for, and no container is started or stopped twice', async (t) => {
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = planOf(seed, SHAPE);
    const count = (isCounted: (step: (typeof plan)[number]) => boolean): number => plan.filter(isCounted).length;
    t.equal(
      count(({ kind }) => kind === 'start' || kind === 'again'),
      200,
    );
    t.equal(
      count((step) => step.kind === 'kill' && step.program === 'collector'),
      20,
    );
    t.equal(
      count((step) => step.kind === 'kill' && step.program === 'agent'),
      5,
    );
    t.equal(new Set(plan.map((step) => (step.kind === 'network' ? step.fault : ''))).size, 1 + 9, 'each network fault');
    t.equal(
      count(({ kind }) => kind === 'fullDisk'),
      3,
    );
    t.equal(
      count(({ kind }) => kind === 'clock'),
      6,
    );
    const running = new Set<string>();
    const known = new Set<string>();
    let most = 0;
    for (const step of plan) {
      if (step.kind === 'start' || step.kind === 'again') {
        if (running.has(step.name) || known.has(step.name) !== (step.kind === 'again')) t.fail(`${step.name} started`);
        running.add(step.name);
        known.add(step.name);
        most = Math.max(most, running.size);
      } else if (step.kind === 'stop' || step.kind === 'remove') {
        if (!running.delete(step.name)) t.fail(`${step.name} does not run`);
        if (step.kind === 'remove') known.delete(step.name);
      }
    }
    t.ok(most <= 8, 'never more than eight at a time');
  }
});
