import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import t from 'tap';
import { UNTHROTTLED, throttleProfileAt } from '../../../agent/budget/throttle-profile.ts';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { readSysctlsOnDemand } from '../../../agent/inspector/kernel/sysctls.ts';
import { createQueryAnswerer } from '../../../agent/query/query-answerer.ts';
import { createWorkerPool } from '../../../agent/query/worker-pool.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import { MAX_MESSAGE_BYTES } from '../../../proto/fleet.ts';
import type { Query, QueryResult } from '../../../proto/fleet.ts';
import { systemClock } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { createFakeClock } from '../../service/fake-clock.ts';
import { containerFact } from '../../fixture/container.ts';
import { factsOf, kernelFact, nodeStatusFact } from '../../fixture/facts.ts';

const WORKER = new URL('../../../agent/query/worker.ts', import.meta.url);
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const never = new AbortController().signal;
const nodeStatus = () => Promise.resolve(nodeStatusFact());
let labelReads = 0;
/** Every container has the label `tier`, every other one a label that is a secret by its name. */
const readLabels = () => {
  labelReads += 1;
  const labels = (id: string) =>
    id === 'id-7'
      ? unreadable('GET /containers/id-7/json', 'it has too many')
      : seen({ tier: id === 'id-3' ? 'web' : 'db' }, 'GET /containers/json');
  return Promise.resolve(
    Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`id-${String(index)}`, labels(`id-${String(index)}`)]),
    ),
  );
};
const readSysctls = (names: readonly string[]) => readSysctlsOnDemand(createLinuxHost(), names);

/** 200 containers, as a busy node has; one died while it was read. */
const FACTS = factsOf({
  containers: seen(
    Array.from({ length: 200 }, (_, index) =>
      containerFact({
        id: `id-${String(index)}`,
        name: `shop-${String(index)}`,
        ...(index === 7 ? { seccomp: unreadable('/proc/7/task', 'no such process (ESRCH)') } : {}),
      }),
    ),
    'GET /containers/json',
  ),
  kernel: kernelFact({ maskable: seen([], '/proc') }),
});

let reads = 0;
const answerer = createQueryAnswerer({
  facts: () => FACTS,
  nodeStatus: () => Promise.resolve(((reads += 1), nodeStatusFact())),
  readSysctls,
  readLabels,
  pace: () => UNTHROTTLED,
  clock: systemClock(),
  log: silent,
  workerUrl: WORKER,
});
t.teardown(() => answerer.close());

/** Takes seconds: patterns that stand for 100,000 characters, each another one. */
const ENDLESS = `lists.range(100).map(i, "x".matches("${'(x{1000})'.repeat(100)}" + string(i)))`;

async function messages(query: Query, signal = never): Promise<readonly QueryResult[]> {
  const all: QueryResult[] = [];
  for await (const result of answerer.answer({ id: 'q1', deadlineMs: 60_000, ...query }, signal)) all.push(result);
  return all;
}

async function ask(query: Query): Promise<QueryResult & { readonly value?: unknown }> {
  const all = await messages(query);
  const last = all.at(-1) ?? {};
  if (typeof last.error === 'string') return last;
  const bytes = Buffer.concat(all.map(({ chunk }) => chunk ?? Buffer.alloc(0)));
  return { ...last, value: JSON.parse(bytes.toString()) as unknown };
}

await t.test('answers', async (t) => {
  t.match(await ask({ expression: 'kernel.lockdown' }), {
    queryId: 'q1',
    last: true,
    value: 'integrity',
    rows: 1,
    truncated: false,
    unread: [],
  });
  const names = await ask({ expression: 'containers.filter(c, c.seccomp.mode == "filter").map(c, c.name)' });
  t.equal(names.rows, 199);
  t.same(names.unread, ['containers[shop-7].seccomp: /proc/7/task: no such process (ESRCH)']);
  t.same((await ask({ expression: 'unread' })).value, {
    'containers[shop-7].seccomp': '/proc/7/task: no such process (ESRCH)',
  });
  t.match(await ask({ expression: 'kernel.lockdwn' }), { last: true, error: /did you mean `lockdown`/ });
  t.match(await ask({}), { last: true, error: /ends too early/ }, 'a query without an expression');
});

await t.test('the status of the node is read for a query that names it, and for no other', async (t) => {
  await ask({ expression: 'kernel.lockdown' });
  await ask({ expression: 'unread' });
  t.equal(reads, 0);
  const answer = await ask({ expression: 'nodeStatus' });
  t.equal(reads, 1);
  t.match(answer.value, { uptimeSeconds: 86_400, load: { oneMinute: 0.42 }, pressure: { io: null }, processes: null });
  t.same(answer.unread, ['nodeStatus.processes: /proc: only the processes of one pid namespace are visible']);
  t.match(await ask({ expression: 'nodeStatus.load.oneMinute > 1.5 * 2.0' }), { value: false });
  t.match(await ask({ expression: 'nodeStatus.pressure.cpu.some.avg10 > 5' }), { value: true }, 'with an int, too');
  t.match(await ask({ expression: 'nodeStatus.pressure.io.some.avg10' }), { value: null }, 'not measured');
  t.equal(reads, 4);
});

await t.test('sysctls that the facts do not hold are read for the query', async (t) => {
  const swappiness = readFileSync('/proc/sys/vm/swappiness', 'utf8').trim();
  t.match(await ask({ expression: 'kernel.sysctls["vm.swappiness"]' }), { value: swappiness, unread: [] });
  t.match(await ask({ expression: 'int(kernel.sysctls["fs.nr_open"]) > 1000' }), { value: true });
  const absent = await ask({ expression: 'kernel.sysctls["vm.swapiness"]' });
  t.match(
    absent,
    { value: null, unread: [/^kernel\.sysctls\[vm\.swapiness\]: .*no such sysctl/] },
    'a slip is no null',
  );
  t.match(await ask({ expression: 'kernel.sysctls["kernel.kptr_restrict"]' }), { value: '0' }, 'of the facts');
  t.match(await ask({ expression: 'kernel.sysctls["vm/../../../etc/shadow"]' }), {
    error: /is not the name of a sysctl/,
  });
});

await t.test('in chunks', async (t) => {
  const parts = await messages({ expression: 'containers', maxBytes: 8 * 1024 * 1024 });
  t.ok(parts.length > 2);
  for (const { chunk } of parts) t.ok((chunk?.length ?? 0) <= 256 * 1024 && 256 * 1024 < MAX_MESSAGE_BYTES);
  t.same(
    parts.map(({ last }) => last === true),
    parts.map((_, index) => index === parts.length - 1),
  );
  const text = Buffer.concat(parts.map(({ chunk }) => chunk ?? Buffer.alloc(0))).toString();
  t.equal((JSON.parse(text) as readonly unknown[]).length, 200);
});

await t.test('caps', async (t) => {
  t.match(await ask({ expression: 'containers.map(c, c.name)', maxRows: 2 }), {
    value: ['shop-0', 'shop-1'],
    rows: 2,
    truncated: true,
  });
  t.match(await ask({ expression: 'containers.map(c, c.name)', maxBytes: 22 }), {
    value: ['shop-0', 'shop-1'],
    rows: 2,
    truncated: true,
  });
  t.match(await ask({ expression: 'kernel', maxBytes: 100 }), { error: /the answer is larger than 100 bytes/ });
  t.match(await ask({ expression: 'containers', maxBytes: 100 }), { error: /the first row alone is larger than 100/ });
});

await t.test('an endless query is stopped at its deadline, and the agent goes on meanwhile', async (t) => {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  t.match(await ask({ expression: ENDLESS, deadlineMs: 100 }), { last: true, error: /not finished within 100 ms/ });
  delay.disable();
  // One sample may be late because the machine is busy with something else.
  t.ok(delay.percentile(90) < 100e6, `event loop delay ${String(delay.percentile(90) / 1e6)} ms`);
  t.match(await ask({ expression: 'kernel.lockdown' }), { value: 'integrity' }, 'and answers the next one');
});

await t.test('labels of containers are read only for a query that names them', async (t) => {
  await ask({ expression: 'containers.map(c, c.name).size()' });
  t.equal(labelReads, 0);
  t.match(await ask({ expression: 'containers.filter(c, c.labels.tier == "web").map(c, c.name)' }), {
    value: ['shop-3'],
    unread: [/^containers\[shop-7\]\.labels: .*it has too many/],
  });
  t.equal(labelReads, 1);
  t.match(await ask({ expression: 'containers[3]["labels"]["no.such"]' }), { value: null });
  t.match(await ask({ expression: 'dyn(containers)[3].labels.tier' }), { value: 'web' });
  const whole = await ask({ expression: 'containers[0]' });
  t.notOk(Object.hasOwn(whole.value as object, 'labels'));
});

await t.test('the deadline and a cancellation also hold while the node is read', async (t) => {
  const hanging = createQueryAnswerer({
    facts: () => FACTS,
    nodeStatus: () => new Promise(() => {}),
    readSysctls,
    readLabels,
    pace: () => UNTHROTTLED,
    clock: systemClock(),
    log: silent,
    workerUrl: WORKER,
  });
  t.teardown(() => hanging.close());
  const query = { id: 'q1', expression: 'nodeStatus' };
  const answers = async (deadlineMs: number, signal = never): Promise<readonly QueryResult[]> => {
    const all: QueryResult[] = [];
    for await (const result of hanging.answer({ ...query, deadlineMs }, signal)) all.push(result);
    return all;
  };
  t.match(await answers(200), [{ last: true, error: /not finished within 200 ms/ }]);
  t.same(await answers(60_000, AbortSignal.timeout(200)), []);
});

await t.test('a query that nobody waits for is stopped and not answered', async (t) => {
  const cancel = new AbortController();
  const stopped = messages({ expression: ENDLESS }, cancel.signal);
  setTimeout(() => cancel.abort(), 100);
  t.same(await stopped, []);
  t.same(await messages({ expression: 'kernel.lockdown' }, cancel.signal), [], 'cancelled before it began');
  t.match(await ask({ expression: 'kernel.lockdown' }), { value: 'integrity' });
});

await t.test('two at once, sixteen wait, and one more is refused', async (t) => {
  const all = await Promise.all(
    Array.from({ length: 19 }, () => ask({ expression: ENDLESS, deadlineMs: 800 }).then(({ error }) => error ?? '')),
  );
  t.equal(all.filter((error) => error.startsWith('too many queries wait')).length, 1);
  t.equal(all.filter((error) => error.startsWith('not finished within 800 ms')).length, 18, 'also those that waited');
  t.match(await ask({ expression: 'kernel.lockdown' }), { value: 'integrity' });
});

// Each of these ended the whole process, or took its memory, before values had bounds.
await t.test('hostile queries end in an error, not in the end of the agent', async (t) => {
  const text = `["${'a'.repeat(40)}"]`;
  const hostile = [
    `${text}${'.map(a, a + a)'.repeat(23)}.map(a, a.lowerAscii())`,
    `${text}${'.map(a, a + a)'.repeat(21)}.map(a, a.size())`,
    `${text}${'.map(a, a + a)'.repeat(22)}.map(a, a.split(""))`,
    `${text}${'.map(a, a + a)'.repeat(13)}.map(a, containers.map(c, containers.map(d, a.split("").size())))`,
    `[containers]${'.map(a, a + a)'.repeat(40)}`,
    `[1]${'.map(a, [a, a])'.repeat(60)}`,
    'containers.map(a, containers.map(b, containers.map(c, containers.map(d, a.name + b.name + c.name + d.name))))',
    'containers.map(a, containers.map(b, containers.map(c, {"a": {"b": {"c": 1}}})))',
    'containers.map(a, containers.map(b, a.name + b.name)).map(l, l.join(l.join()))',
    'cel.bind(x, containers.map(a, containers.map(b, kernel)), x)',
    // What functions make out of little.
    'lists.range(9223372036854775807)',
    'lists.range(500000).map(i, lists.range(500000))',
    'lists.range(700).map(i, lists.range(700)).flatten().map(i, lists.range(i))',
    `${text}${'.map(a, a + a)'.repeat(13)}.map(a, a.replace("", a))`,
    `${text}${'.map(a, a + a)'.repeat(13)}.map(a, a.replace("a", a))`,
    `${text}${'.map(a, a + a)'.repeat(12)}.map(a, "%s%s%s%s".format([a, a, a, a]))`,
    `lists.range(2000).map(i, ${text}${'.map(a, a + a)'.repeat(8)}.map(a, "%s".format([[a, a, a, a]])))`,
    `${text}${'.map(a, a + a)'.repeat(13)}.map(a, strings.quote(a).reverse().split("").join(a))`,
    `[[1]]${'.map(a, [a, a].flatten())'.repeat(40)}`,
    'lists.range(500000).sortBy(i, string(500000 - i)).groupBy(i, i)',
    'lists.range(500000).map(i, timestamp(i).getHours("Europe/Berlin"))',
    'lists.range(2000).map(i, lists.range(2000).distinct())',
  ];
  for (const expression of hostile)
    t.match(
      await ask({ expression, deadlineMs: 20_000 }),
      { error: /too long|too expensive|more memory/ },
      expression.slice(0, 60),
    );
  t.match(await ask({ expression: 'kernel.lockdown' }), { value: 'integrity' });
});

await t.test('a thread that cannot start is an error', async (t) => {
  const broken = createQueryAnswerer({
    facts: () => FACTS,
    nodeStatus,
    readSysctls,
    readLabels,
    pace: () => UNTHROTTLED,
    clock: systemClock(),
    log: silent,
    workerUrl: new URL('./absent.ts', import.meta.url),
  });
  const all: QueryResult[] = [];
  for await (const result of broken.answer({ id: 'q', expression: '1' }, never)) all.push(result);
  t.match(all, [{ queryId: 'q', last: true, error: /^the evaluation failed: / }]);
  broken.close();
});

await t.test('a defect of the agent is an error', async (t) => {
  const facts = (): never => {
    throw new Error('not yet');
  };
  const broken = createQueryAnswerer({
    facts,
    nodeStatus,
    readSysctls,
    readLabels,
    pace: () => UNTHROTTLED,
    clock: systemClock(),
    log: silent,
    workerUrl: WORKER,
  });
  for (let round = 0; round < 3; round += 1)
    for await (const result of broken.answer({ id: 'q', expression: '1' }, never))
      t.match(result, { last: true, error: /internal error of the agent, please report it \(Error: not yet\)/ });
  broken.close();
});

await t.test('threads are kept for a while', async (t) => {
  const clock = createFakeClock();
  const pool = createWorkerPool(WORKER, clock);
  const first = pool.take();
  pool.give(first);
  await clock.advance(4_999);
  t.ok(first.alive());
  t.equal(pool.take(), first, 'the same thread takes the next query');
  await clock.advance(60_000);
  t.ok(first.alive(), 'a busy thread is not idle');
  pool.give(first);
  await clock.advance(5_000);
  t.notOk(first.alive());
  const second = pool.take();
  t.not(second, first);
  pool.close();
  t.notOk(second.alive());
  t.match(await second.ask({ kind: 'compile', expression: '1' }), { kind: 'failed' });
});

await t.test('an agent over its budget answers one after the other, far over it none, and says why', async (t) => {
  let steps = 1;
  const slow = createQueryAnswerer({
    facts: () => FACTS,
    nodeStatus,
    readSysctls,
    readLabels,
    pace: () => throttleProfileAt(steps),
    clock: systemClock(),
    log: silent,
    workerUrl: WORKER,
  });
  const answered = async (): Promise<readonly QueryResult[]> => {
    const results: QueryResult[] = [];
    for await (const result of slow.answer({ id: 'q', expression: 'node.name' }, never)) results.push(result);
    return results;
  };
  const all = await Promise.all(Array.from({ length: 7 }, answered));
  const errors = all.flatMap((results) => results.flatMap(({ error }) => (error ? [error] : [])));
  t.equal(errors.length, 2, 'one is evaluated, four wait');
  t.match(errors[0], /too many queries wait on this node.*agent\.resource-budget/);
  steps = 4;
  t.match(await answered(), [{ last: true, error: /far over its budget.*agent\.resource-budget/ }]);
  steps = 0;
  t.match(await answered(), [{ last: true, rows: 1 }]);
  slow.close();
});
