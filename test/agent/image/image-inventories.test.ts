import t from 'tap';
import type { Test } from 'tap';
import { CRITICAL_STEP, throttleProfileAt, UNTHROTTLED } from '../../../agent/budget/throttle-profile.ts';
import type { ThrottleProfile } from '../../../agent/budget/throttle-profile.ts';
import { createImageInventories } from '../../../agent/image/image-inventories.ts';
import type { TakenInventory } from '../../../agent/image/read-source.ts';
import type { StoredImageList } from '../../../agent/image/resting-images.ts';
import type { ImageRecord } from '../../../agent/image/image-record.ts';
import { seen, unreadable } from '../../../posture/observed.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import { sleep } from '../../../service/clock.ts';
import type { Logger } from '../../../service/log.ts';
import { containerFact } from '../../fixture/container.ts';
import { factsOf } from '../../fixture/facts.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const USER_ENGINE = 'unix:///run/user/1000/docker.sock';
const FAILURE: TakenInventory = { ok: false, problem: 'its files cannot be read: EACCES' };
const SECOND = 1000;
const MINUTE = 60 * SECOND;

const taken = (source: 'layers' | 'container', size = 10): TakenInventory => ({
  ok: true,
  source,
  inventory: { digest: 'a'.repeat(64), bytes: new Uint8Array(size) },
});

interface Attempt {
  readonly atMs: number;
  readonly imageId: string;
  readonly containers: readonly string[];
}

/** Inventories on a clock of the test; taking one lasts `durationMs` and brings what `outcome` says. */
function start(
  t: Test,
  outcome: (attempt: Attempt, count: number) => TakenInventory,
  durationMs = 100,
  list?: () => StoredImageList,
) {
  const clock = createFakeClock();
  const stop = new AbortController();
  const { signal } = stop;
  const attempts: Attempt[] = [];
  const state: {
    images: readonly ImageRecord[];
    reports: number;
    pace: ThrottleProfile;
    running: number;
    most: number;
  } = { images: [], reports: 0, pace: UNTHROTTLED, running: 0, most: 0 };
  const take = async (imageId: string, containers: readonly string[], aborted: AbortSignal) => {
    const attempt = { atMs: clock.monotonic(), imageId, containers };
    attempts.push(attempt);
    state.running += 1;
    state.most = Math.max(state.most, state.running);
    await sleep(clock, durationMs, aborted);
    state.running -= 1;
    return outcome(attempt, attempts.filter((one) => one.imageId === imageId).length);
  };
  const inventories = createImageInventories({
    reader: {
      take: (containers, aborted) =>
        take(
          containers[0]?.imageId ?? '',
          containers.map(({ id }) => id),
          aborted,
        ),
    },
    resting: list && {
      list: () => Promise.resolve(list()),
      take: ({ imageId }, aborted) => take(imageId, [], aborted),
    },
    onChange: (images) => {
      state.images = images;
      state.reports += 1;
    },
    pace: () => state.pace,
    clock,
    log: SILENT,
    signal,
  });
  const end = async (): Promise<void> => {
    stop.abort();
    await inventories.done;
  };
  t.teardown(end);
  return {
    clock,
    attempts,
    state,
    end,
    run: (...containers: readonly ContainerFact[]) =>
      inventories.update(factsOf({ containers: seen(containers, 'GET /containers/json') })),
    loseContainers: () => inventories.update(factsOf({ containers: unreadable('GET /containers/json', 'timed out') })),
  };
}

const container = (imageId: string, id = `of ${imageId}`, more: Partial<ContainerFact> = {}): ContainerFact =>
  containerFact({ id, imageId, ...more });

void t.test('each image once, one at a time, with pauses', async (t) => {
  const { clock, attempts, state, run } = start(t, () => taken('layers'), 2 * SECOND);
  const containers = ['a', 'b', 'c'].flatMap((image) => [container(image), container(image, `second of ${image}`)]);
  run(...containers);
  t.match(state.images, [{ imageId: 'a', inventory: undefined, problem: '' }, {}, {}], 'reported before they are read');
  await clock.advance(60 * MINUTE);
  run(...containers, container('a', 'a later one'));
  await clock.advance(60 * MINUTE);
  t.same(
    attempts.map(({ imageId, atMs }) => [imageId, atMs]),
    // After 2 s of work a pause of four times that.
    [
      ['a', 0],
      ['b', 10 * SECOND],
      ['c', 20 * SECOND],
    ],
  );
  t.equal(state.most, 1);
  t.equal(state.images.filter(({ inventory }) => inventory !== undefined).length, 3);
});

void t.test('what does not run, or has no image, is not read', async (t) => {
  const { clock, attempts, state, run } = start(t, () => taken('layers'));
  run(container('a', '1', { state: 'exited', pid: 0 }), container('', '2'), container('b', '3', { pid: 0 }));
  await clock.advance(MINUTE);
  t.equal(attempts.length, 0);
  t.equal(state.images.length, 0);
});

void t.test('a failure is reported, and tried again later and later', async (t) => {
  const { clock, attempts, state, run } = start(t, (_, count) => (count < 12 ? FAILURE : taken('layers')), 0);
  run(container('a'));
  await clock.advance(SECOND);
  t.match(state.images, [{ imageId: 'a', inventory: undefined, problem: FAILURE.ok ? '' : FAILURE.problem }]);
  await clock.advance(24 * 60 * MINUTE);
  const pauses = attempts.slice(1).map(({ atMs }, index) => (atMs - (attempts[index]?.atMs ?? 0)) / SECOND);
  t.same(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]);
  t.match(state.images, [{ problem: '', source: 'layers', inventory: { digest: /^a/ } }]);
});

void t.test('an inventory that a container shows is replaced as soon as another container is better', async (t) => {
  const { clock, attempts, state, run } = start(t, (_, count) => taken(count < 3 ? 'container' : 'layers'), 0);
  run(container('a', '1'));
  await clock.advance(60 * MINUTE);
  run(container('a', '1'));
  await clock.advance(60 * MINUTE);
  t.equal(attempts.length, 1, 'the same container would show the same');
  run(container('a', '1'), container('a', '2'));
  await clock.advance(MINUTE);
  t.same(attempts[1]?.containers, ['1', '2']);
  run(container('a', '3'));
  await clock.advance(2 * MINUTE);
  t.equal(attempts.length, 3);
  t.match(state.images, [{ source: 'layers' }]);
  run(container('a', '4'));
  await clock.advance(24 * 60 * MINUTE);
  t.equal(attempts.length, 3, 'and then it is final');
});

void t.test('a container that is restarted all the time does not keep the agent busy', async (t) => {
  const { clock, attempts, run } = start(t, () => taken('container'), 0);
  for (let second = 0; second < 4 * 3600; second += 20) {
    run(container('a', String(second)));
    await clock.advance(20 * SECOND);
  }
  t.ok(attempts.length <= 12, `${String(attempts.length)} attempts in four hours`);
});

void t.test('a later failure does not take away what is known', async (t) => {
  const { clock, state, run } = start(t, (_, count) => (count === 1 ? taken('container') : FAILURE), 0);
  run(container('a', '1'));
  await clock.advance(SECOND);
  run(container('a', '2'));
  await clock.advance(5 * MINUTE);
  t.match(state.images, [{ source: 'container', problem: '', inventory: { digest: /^a/ } }]);
});

void t.test('images that fail do not delay one that is new', async (t) => {
  const { clock, attempts, run } = start(t, () => FAILURE, MINUTE);
  const hostile = Array.from({ length: 300 }, (_, index) => container(`hostile ${String(index)}`));
  run(...hostile);
  await clock.advance(26 * 60 * MINUTE);
  const before = attempts.length;
  run(...hostile, container('new'));
  await clock.advance(6 * MINUTE);
  t.ok(attempts.slice(before, before + 2).some(({ imageId }) => imageId === 'new'));
});

void t.test("images of a user's own engine come last", async (t) => {
  const { clock, attempts, run } = start(t, () => taken('layers'), 0);
  const ofUser = [1, 2, 3].map((index) => container(`u${String(index)}`, String(index), { engine: USER_ENGINE }));
  run(...ofUser, container('mixed', '4', { engine: USER_ENGINE }), container('mixed', '5'), container('root'));
  await clock.advance(MINUTE);
  t.same(
    attempts.map(({ imageId }) => imageId),
    ['mixed', 'root', 'u1', 'u2', 'u3'],
  );
});

void t.test('the pace of the agent', async (t) => {
  const { clock, attempts, state, run } = start(t, () => taken('layers'), SECOND);
  state.pace = throttleProfileAt(CRITICAL_STEP);
  run(container('a'), container('b'), container('c'));
  await clock.advance(30 * MINUTE);
  t.equal(attempts.length, 0, 'nothing at the slowest pace');
  t.equal(state.images.length, 3, 'but the images are known');
  state.pace = throttleProfileAt(1);
  await clock.advance(MINUTE + 30 * SECOND);
  const [first, second] = attempts;
  t.ok((first?.atMs ?? 0) >= 30 * MINUTE && (first?.atMs ?? 0) <= 31 * MINUTE);
  t.equal((second?.atMs ?? 0) - (first?.atMs ?? 0), SECOND + 4 * SECOND * state.pace.sweepFactor);
});

void t.test('a list of containers that is not known changes nothing', async (t) => {
  const { clock, state, run, loseContainers } = start(t, () => taken('layers'));
  run(container('a'));
  await clock.advance(MINUTE);
  const { reports } = state;
  loseContainers();
  await clock.advance(MINUTE);
  t.equal(state.images.length, 1);
  t.equal(state.reports, reports);
  run();
  t.equal(state.images.length, 0, 'an empty one does');
});

void t.test('an image that is used again is not read again', async (t) => {
  const { clock, attempts, state, run } = start(t, () => taken('layers'));
  run(container('a'));
  await clock.advance(MINUTE);
  run();
  await clock.advance(MINUTE);
  run(container('a', 'a later one'));
  await clock.advance(60 * MINUTE);
  t.equal(attempts.length, 1);
  t.match(state.images, [{ imageId: 'a', inventory: { digest: /^a/ } }]);
});

void t.test('too many images: each says so, and they are read once there is room', async (t) => {
  const { clock, attempts, state, run } = start(t, () => taken('layers'), 0);
  const many = Array.from({ length: 2050 }, (_, index) => container(`image ${String(index)}`));
  run(...many);
  t.equal(state.images.length, 2050, 'none is left out');
  t.same(
    state.images.filter(({ problem }) => problem !== '').map(({ imageId, problem }) => [imageId, problem]),
    ['image 2048', 'image 2049'].map((imageId) => [imageId, 'more than 2048 images are in use']),
  );
  run(...many.slice(-10));
  t.same(new Set(state.images.map(({ problem }) => problem)), new Set(['']));
  await clock.advance(MINUTE);
  t.same(
    attempts.map(({ imageId }) => imageId).sort(),
    many.slice(-10).map(({ imageId }) => imageId),
  );
});

void t.test('the inventories of a node are bounded together', async (t) => {
  const { clock, state, run } = start(t, () => taken('layers', 4 * 1024 * 1024), 0);
  run(...Array.from({ length: 9 }, (_, index) => container(String(index))));
  await clock.advance(MINUTE);
  t.equal(state.images.filter(({ inventory }) => inventory !== undefined).length, 8);
  t.match(state.images[8], { inventory: undefined, problem: /too large together/ });
});

void t.test('it ends while an inventory is taken', async (t) => {
  const { clock, state, attempts, run, end } = start(t, () => taken('layers'), MINUTE);
  run(container('a'), container('b'));
  await clock.advance(SECOND);
  t.equal(state.running, 1);
  const { reports } = state;
  await end();
  t.equal(attempts.length, 1);
  t.equal(state.reports, reports, 'and reports nothing after that');
  t.equal(clock.waiting(), 0, 'no timer is left');
});

const stored = (...ids: readonly string[]): StoredImageList => ({
  ok: true,
  images: ids.map((imageId) => ({ imageId, names: [`${imageId}:1`], engine: 'unix:///run/docker.sock' })),
});

void t.test('images at rest: after those that run, with longer pauses, each once', async (t) => {
  const { clock, attempts, state, run } = start(
    t,
    () => taken('layers'),
    SECOND,
    () => stored('x', 'y', 'a'),
  );
  run(container('a'), container('b'));
  await clock.advance(60 * MINUTE);
  t.same(
    attempts.map(({ imageId, containers, atMs }) => [imageId, containers.length, atMs]),
    [
      ['a', 1, 0],
      ['b', 1, 5 * SECOND],
      ['x', 0, 10 * SECOND],
      ['y', 0, 20 * SECOND],
    ],
  );
  t.same(
    state.images.map(({ imageId, atRest }) => [imageId, atRest]),
    [
      ['a', undefined],
      ['b', undefined],
      ['x', ['x:1']],
      ['y', ['y:1']],
    ],
  );
  run(container('b'), container('x'));
  t.same(
    state.images.map(({ imageId, atRest, inventory }) => [imageId, atRest, inventory?.bytes.length]),
    [
      ['b', undefined, 10],
      ['x', undefined, 10],
      ['a', ['a:1'], 10],
      ['y', ['y:1'], 10],
    ],
    'a container was started and another one has ended: nothing is read again',
  );
  await clock.advance(60 * MINUTE);
  t.equal(attempts.length, 4);
});

void t.test('an image whose layers cannot be read is read as soon as a container runs it', async (t) => {
  const failing = (attempt: Attempt): TakenInventory =>
    attempt.containers.length === 0 ? FAILURE : taken('container');
  const { clock, attempts, state, run } = start(t, failing, 0, () => stored('x'));
  await clock.advance(60 * MINUTE);
  t.match(state.images, [{ imageId: 'x', problem: /EACCES/, atRest: ['x:1'] }]);
  const before = attempts.length;
  run(container('x'));
  await clock.advance(SECOND);
  t.same(
    attempts.slice(before).map(({ containers }) => containers.length),
    [1, 0],
    'then its layers once more',
  );
  t.match(state.images, [{ source: 'container', problem: '', inventory: {} }]);
  // It is started and stopped every ten seconds for four hours.
  for (let second = 0; second < 4 * 3600; second += 20) {
    run(container('x', String(second)));
    await clock.advance(10 * SECOND);
    run();
    await clock.advance(10 * SECOND);
  }
  t.ok(attempts.length - before <= 24, `${String(attempts.length - before)} attempts in four hours`);
  t.match(state.images, [{ inventory: {} }], 'what was found stays');
});

void t.test('images at rest: their number and bytes are bounded, and none is left out', async (t) => {
  const ids = Array.from({ length: 300 }, (_, index) => `rest ${String(index)}`);
  const { clock, attempts, state, run } = start(
    t,
    () => taken('layers', 1024 * 1024),
    0,
    () => stored(...ids),
  );
  run(container('a'));
  await clock.advance(10 * MINUTE);
  t.equal(attempts.length > 256, true);
  t.equal(state.images.length, 301);
  t.equal(state.images.filter(({ inventory }) => inventory !== undefined).length, 1 + 8, 'at most 8 MiB');
  t.equal(state.images.filter(({ problem }) => problem === 'more than 256 images are at rest').length, 300 - 256);
  run(container('a'), container('b'), container('rest 299'));
  await clock.advance(MINUTE);
  t.match(
    state.images.slice(0, 3),
    [{ inventory: {} }, { inventory: {} }, { inventory: {} }],
    'those that run have room',
  );
});

void t.test('a list of images that cannot be read changes nothing; one that was deleted is gone', async (t) => {
  let list: StoredImageList = stored('x', 'y');
  const { clock, state } = start(
    t,
    () => taken('layers'),
    0,
    () => list,
  );
  await clock.advance(MINUTE);
  t.equal(state.images.length, 2);
  list = { ok: false, reason: 'timed out' };
  await clock.advance(60 * MINUTE);
  t.equal(state.images.length, 2);
  list = stored('y');
  await clock.advance(10 * MINUTE);
  t.match(state.images, [{ imageId: 'y' }]);
  t.equal(state.images.length, 1);
});

void t.test('an image of which every container is changed is read through its layers', async (t) => {
  let list: StoredImageList = stored();
  const outcome = ({ containers }: Attempt): TakenInventory => taken(containers.length === 0 ? 'layers' : 'container');
  const { clock, state, run } = start(t, outcome, 0, () => list);
  run(container('x'));
  await clock.advance(MINUTE);
  t.match(state.images, [{ source: 'container' }]);
  list = stored('x');
  await clock.advance(10 * MINUTE);
  t.match(state.images, [{ source: 'layers', atRest: undefined }], 'as soon as the engine lists it');
});
