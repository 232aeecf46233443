import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { BREAK_GLASS_ANNOTATION } from '../../policy/pod/pod-policy.ts';
import { pushDebianImage } from '../component/debian-image.ts';
import type { PushedImage } from '../component/debian-image.ts';
import { waitFor } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { FIXED, SHOP, VULNERABLE } from './enforcement.ts';
import type { Enforcement, Supply } from './enforcement.ts';

/** What kubectl printed, and whether it failed. */
interface Outcome {
  readonly code: number;
  readonly text: string;
}

/** Runs kubectl with objects on standard input; a failure is a result. */
function kubectlWith(
  { plimsoll }: Pick<Enforcement, 'plimsoll'>,
  args: readonly string[],
  objects: readonly object[] = [],
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { env: plimsoll.cluster.environment, timeout: 120_000, maxBuffer: 64 * 2 ** 20 };
    const child = execFile('kubectl', args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, text: `${stdout}${stderr}` }),
    );
    child.stdin?.end(objects.length === 0 ? '' : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  });
}

/** Asks the API server whether it would create an object. */
export function dryRun(enforcement: Pick<Enforcement, 'plimsoll'>, object: object): Promise<Outcome> {
  return kubectlWith(enforcement, ['apply', '--filename=-', '--dry-run=server'], [object]);
}

/** A pod of the shop; `pod` and `container` replace fields of its spec. */
export function shopPod(name: string, image: string, { pod = {}, container = {}, annotations = {} } = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: SHOP, annotations },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      ...pod,
      containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent', ...container }],
    },
  };
}

/** The images of the shop. */
export interface Catalogue {
  readonly images: Readonly<Record<'good' | 'unsigned' | 'vulnerable' | 'aged' | 'unknown', string>>;
  /** The reference with a tag that a pod runs from which is older than the webhook, and the image under it. */
  readonly tagged: { readonly reference: string; readonly image: PushedImage };
}

/** Pushes and signs the images, and starts a pod by a tag. */
export async function stockShop({ apply }: Cluster, supply: Supply): Promise<Catalogue> {
  const { registry, push, sign } = supply;
  const at = (repository: string, { digest }: PushedImage): string => `${registry.host}/${repository}@${digest}`;
  // No two images have the same content: a digest is judged by everything that is known of it.
  const good = await push('shop/good:1', { ...FIXED, good: '1' });
  const unsigned = await push('shop/unsigned:1', { ...FIXED, unsigned: '1' });
  const vulnerable = await push('shop/vulnerable:1', { ...VULNERABLE, shop: '1' });
  const unknown = await push('shop/unknown:1', { ...FIXED, other: '1' });
  const tagged = await push('shop/tagged:1', { ...FIXED, tagged: '1' });
  const aged = await push('aged/app:1', { ...FIXED, aged: '1' });
  for (const [name, image] of Object.entries({ good, vulnerable, unknown, tagged })) await sign(`shop/${name}`, image);
  const reference = `${registry.host}/shop/tagged:1`;
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: SHOP } });
  await waitFor('a service account', 20_000, async () => {
    await apply(shopPod('older', reference));
    return true;
  });
  const images = {
    good: at('shop/good', good),
    unsigned: at('shop/unsigned', unsigned),
    vulnerable: at('shop/vulnerable', vulnerable),
    unknown: at('shop/unknown', unknown),
    aged: at('aged/app', aged),
  };
  return { images, tagged: { reference, image: tagged } };
}

/** What is refused, and the reason. */
function refusals({ images }: Catalogue): readonly (readonly [string, object, RegExp])[] {
  const pod = (name: string, image: string, changes = {}) => shopPod(name, image, changes);
  const root = { volumes: [{ name: 'root', hostPath: { path: '/' } }] };
  return [
    [
      'unsigned',
      pod('unsigned', images.unsigned),
      /1 reason against it\n1\. spec\.containers\[0\]\.image: .*signature-missing/,
    ],
    [
      'vulnerable',
      pod('vulnerable', images.vulnerable),
      /vulnerab.*CVE-2026-2001.*zlib1g[^]*\(policy shop, spec\.rules\[1\]\)/,
    ],
    ['unknown', pod('unknown', images.unknown), /not-scanned: the collector has not judged this image/],
    [
      'a tag that the collector does not know',
      pod('tag', images.good.replace(/@.*/, ':none')),
      /not-scanned: the digest of the image is not known.*NAME@sha256/,
    ],
    [
      'another registry',
      pod('elsewhere', 'docker.io/library/nginx:1'),
      /registry-not-allowed[^]*Ask the platform team/,
    ],
    [
      'privileged',
      pod('privileged', images.good, { container: { securityContext: { privileged: true } } }),
      /privileged: /,
    ],
    [
      'the node',
      pod('node', images.unsigned, { pod: { ...root, hostPID: true } }),
      /3 reasons against it[^]*hostNamespaces[^]*hostPathVolumes/,
    ],
    [
      'an init container',
      pod('init', images.good, { pod: { initContainers: [{ name: 'i', image: images.unsigned }] } }),
      /spec\.initContainers\[0\]\.image: /,
    ],
  ];
}

/** Each image that must not run is refused with its reasons, and one that may run is admitted. */
export async function refusesImages(t: Test, enforcement: Enforcement, catalogue: Catalogue): Promise<void> {
  const { images } = catalogue;
  await Promise.all(
    refusals(catalogue).map(async ([name, object, reason]) => {
      const { code, text } = await dryRun(enforcement, object);
      t.equal(code, 1, name);
      t.match(text, /admission webhook "pods\.plimsoll\.dev" denied the request: plimsoll: /, name);
      t.match(text, reason, name);
    }),
  );
  t.match(await dryRun(enforcement, shopPod('allowed', images.good)), { code: 0, text: /pod\/allowed created/ });
}

/** What is admitted runs; what is denied is reported; who may override a denial can; controllers get the reasons. */
export async function admits(t: Test, enforcement: Enforcement, { images, tagged }: Catalogue): Promise<void> {
  const { api, plimsoll } = enforcement;
  const { kubectl } = plimsoll.cluster;
  const apply = (object: object) => kubectlWith(enforcement, ['apply', '--filename=-'], [object]);
  t.match((await apply(shopPod('good', images.good))).text, 'pod/good created');
  t.match((await apply(shopPod('tagged', tagged.reference))).text, 'pod/tagged created');
  const isRunning = (name: string) =>
    waitFor(`pod ${name}`, 120_000, async () => {
      return (await kubectl('-n', SHOP, 'get', 'pod', name, '-o', 'jsonpath={.status.phase}')) === 'Running';
    });
  await Promise.all(['good', 'tagged'].map(isRunning));
  const pinned = await kubectl('-n', SHOP, 'get', 'pod', 'tagged', '-o', 'jsonpath={.spec.containers[0].image}');
  t.equal(pinned, `${tagged.reference}@${tagged.image.digest}`, 'the tag is pinned to the image that was judged');
  const update = await kubectlWith(enforcement, ['-n', SHOP, 'set', 'image', 'pod/good', `main=${images.unsigned}`]);
  t.match(update, { code: 1, text: /denied the request: plimsoll[^]*signature-missing/ }, 'an update');
  t.match(await kubectlWith(enforcement, ['-n', SHOP, 'label', 'pod', 'older', 'a=b']), { code: 0 }, 'a label');
  t.match(
    await ephemeral(enforcement, images.unsigned),
    { code: 1, text: /denied the request: plimsoll/ },
    'ephemeral',
  );

  t.match(await apply(shopPod('denied', images.unsigned)), { code: 1 });
  const annotations = { [BREAK_GLASS_ANNOTATION]: 'outage 42' };
  const glass = await apply(shopPod('glass', images.unsigned, { annotations }));
  t.match(glass, { code: 0, text: /Warning: plimsoll: break-glass: 1 reasons overridden/ });
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: SHOP },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image: images.vulnerable }] },
      },
    },
  };
  t.match(await apply(deployment), { code: 0, text: /Warning: plimsoll: spec\.template\.spec\.containers\[0\]/ });
  const status = 'jsonpath={.items[*].status.conditions[*].message}';
  const told = await waitFor('the status of the ReplicaSet', 30_000, async () => {
    const text = await kubectl('-n', SHOP, 'get', 'replicaset', '-o', status);
    return text === '' ? undefined : text;
  });
  t.match(told, /denied the request: plimsoll: [^]*CVE-2026-2001/, 'the controller gets the reasons');
  const denials = await waitFor('the denials', 30_000, async () => {
    const page = await api<{ denials: readonly { name: string; outcome: string }[] }>(`/v1/denials?namespace=${SHOP}`);
    return page.denials.some(({ name }) => name === 'glass') ? page.denials : undefined;
  });
  t.match(
    denials.find(({ name }) => name === 'denied'),
    { outcome: 'denied', kind: 'Pod', user: 'kubernetes-admin', reasons: [{ code: 'signature-missing' }] },
  );
  t.match(denials.find(({ name }) => name === 'glass')?.outcome, 'overridden');
  t.notOk(
    denials.some(({ name }) => name === 'unsigned'),
    'a dry run is not reported',
  );
}

/** Adds an ephemeral container in the form of Kubernetes 1.16 to 1.21. */
function ephemeral(enforcement: Enforcement, image: string): Promise<Outcome> {
  const path = `/api/v1/namespaces/${SHOP}/pods/good/ephemeralcontainers`;
  const containers = [{ name: 'debug', image, imagePullPolicy: 'IfNotPresent' }];
  const object = {
    apiVersion: 'v1',
    kind: 'EphemeralContainers',
    metadata: { name: 'good', namespace: SHOP },
    ephemeralContainers: containers,
  };
  return new Promise((resolve) => {
    const child = execFile(
      'kubectl',
      ['replace', '--raw', path, '--filename=-'],
      { env: enforcement.plimsoll.cluster.environment, timeout: 30_000 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : 1, text: `${stdout}${stderr}` }),
    );
    child.stdin?.end(JSON.stringify(object));
  });
}

/** A tag that was moved means the new image from the moment on at which the collector has noticed. */
export async function noticesMovedTag(t: Test, enforcement: Enforcement, { tagged }: Catalogue): Promise<void> {
  const { registry } = enforcement.supply;
  const name = { repository: 'shop/tagged', tag: '1' };
  const moved = await pushDebianImage(registry, name, { packages: { ...FIXED, moved: '1' } });
  // The collector asks the registry every minute.
  const refused = await waitFor('the tag to be noticed', 120_000, async () => {
    const { code, text } = await dryRun(enforcement, shopPod('moved', tagged.reference));
    // A machine that stands still for five seconds refuses as well: the API server has no answer of the webhook.
    if (code !== 0 && text.includes('denied the request')) return text;
    await sleep(3_000);
    return undefined;
  });
  t.match(refused, /denied the request: plimsoll: 1 reason[^]*not-scanned/);
  t.match(refused, moved.digest, 'it is judged by the image that the tag names now');
}
