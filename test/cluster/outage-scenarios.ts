import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { accessFromKubeconfig } from '../../kubernetes/access.ts';
import { createKubernetesApi } from '../../kubernetes/api-client.ts';
import * as s from '../../posture/schema.ts';
import { dryRun, refusesImages, shopPod } from './admission-scenarios.ts';
import type { Catalogue } from './admission-scenarios.ts';
import { waitFor } from './cluster.ts';
import { SHOP } from './enforcement.ts';
import type { Enforcement } from './enforcement.ts';

const LABEL = 'app.kubernetes.io/name=plimsoll-admission';
/** Requests that are under way at a time, and the pause of each lane after an answer: about 40 a second together. */
const LANES = 8;
const PAUSE_MS = 150;
const LEAST_REQUESTS = 500;

/** Pods are created, of images that may and must not run, while each pod of the webhook is deleted after the other. */
export async function outlivesItsPods(
  t: Test,
  enforcement: Enforcement,
  { images }: Pick<Catalogue, 'images'>,
): Promise<void> {
  const { environment } = enforcement.plimsoll.cluster;
  const api = createKubernetesApi(await accessFromKubeconfig(environment['KUBECONFIG'] ?? ''));
  t.teardown(api.close);
  const wanted = [images.good, images.unsigned, images.good, images.vulnerable, images.good, images.unknown];
  const counts = { requests: 0, admitted: 0, denied: 0 };
  const wrong: string[] = [];
  // The webhooks declare no side effects: the API server calls them for a dry run as well.
  const path = `/api/v1/namespaces/${SHOP}/pods?dryRun=All`;
  const create = async (image: string): Promise<void> => {
    const number = ++counts.requests;
    const created = await api.create(path, shopPod(`outage-${String(number)}`, image), s.object({}));
    const isDenied = !created.ok && created.reason.includes('denied the request: plimsoll: 1 reason against it');
    if (created.ok) counts.admitted++;
    if (isDenied) counts.denied++;
    if (created.ok !== (image === images.good) || isDenied !== (image !== images.good))
      wrong.push(`${image}: ${created.ok ? 'admitted' : created.reason}`);
  };
  let isOver = false;
  const lane = async (_: unknown, first: number): Promise<void> => {
    for (let next = first; !isOver || counts.requests < LEAST_REQUESTS; next++) {
      await create(wanted[next % wanted.length] ?? '');
      await sleep(PAUSE_MS);
    }
  };
  const beganMs = Date.now();
  const lanes = Promise.all(Array.from({ length: LANES }, lane));
  try {
    const pods = await replicas(enforcement);
    t.equal(pods.length, 2);
    for (const pod of pods) await replace(enforcement, pod);
  } finally {
    isOver = true;
    await lanes;
  }
  t.comment(`${JSON.stringify(counts)} in ${String(Date.now() - beganMs)} ms`);
  t.strictSame(wrong, [], 'no wrong answer, and no call of the webhook has failed');
}

/** The pods of the webhook that are not being deleted. */
async function replicas({ plimsoll }: Enforcement): Promise<readonly string[]> {
  const path = 'jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{"\\n"}{end}';
  const lines = (await plimsoll.cluster.kubectl('-n', 'plimsoll', 'get', 'pods', '-l', LABEL, '-o', path)).split('\n');
  return lines.map((line) => line.split(' ')).flatMap(([name = '', deleted = '']) => (deleted === '' ? [name] : []));
}

/** Deletes a pod of the webhook. Resolves once its process has ended and its replacement is ready. */
async function replace({ plimsoll }: Enforcement, pod: string): Promise<void> {
  const { kubectl, processes } = plimsoll.cluster;
  const container = await kubectl(
    '-n',
    'plimsoll',
    'get',
    'pod',
    pod,
    '-o',
    'jsonpath={.status.containerStatuses[0].containerID}',
  );
  const id = container.replace('containerd://', '');
  await kubectl('-n', 'plimsoll', 'delete', 'pod', pod, '--wait=false');
  // The pod itself can take two minutes more to go.
  await waitFor(`${pod} to end`, 60_000, async () => !(await processes()).has(id));
  await waitFor('another replica', 90_000, async () => {
    // What is zero is left out.
    const path = 'jsonpath={.status.readyReplicas} ready, {.status.unavailableReplicas} not';
    return (await kubectl('-n', 'plimsoll', 'get', 'deployment', 'plimsoll-admission', '-o', path)) === '2 ready,  not';
  });
}

/** The collector is down: the answers are the same, a replica that starts has its snapshot, and verdicts expire. */
export async function answersWithoutCollector(t: Test, enforcement: Enforcement, catalogue: Catalogue): Promise<void> {
  await t.test('the answers are the same', (t) => refusesImages(t, enforcement, catalogue));
  await t.test('also while the pods of the webhook are replaced', (t) => outlivesItsPods(t, enforcement, catalogue));
  const expired = await waitFor('the scan to be too old', 60_000, async () => {
    const { code, text } = await dryRun(enforcement, shopPod('later', catalogue.images.aged));
    return code === 1 && text.includes('denied the request') ? text : undefined;
  });
  t.match(expired, /denied the request: plimsoll: 1 reason[^]*verdict-expired[^]*Make sure that the collector runs/);
}
