import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { parseRolloutPolicy } from '../../policy/rollout/rollout-policy.ts';
import { loadSettings } from '../../service/config/load.ts';

const DIRECTORY = join(import.meta.dirname, '../../manifests/rollout');

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}
interface Json {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly Rule[];
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template: { readonly spec: { readonly containers: readonly [{ readonly args: readonly string[] }] } };
  };
}

/** response.yaml is not applied unless somebody adds it. */
const objects = readdirSync(DIRECTORY)
  .filter((name) => name !== 'response.yaml')
  .flatMap((name) =>
    parseAllDocuments(readFileSync(join(DIRECTORY, name), 'utf8')).map((document) => document.toJS() as Json),
  );

void t.test('the arguments are settings', async (t) => {
  const args = objects.find(({ kind }) => kind === 'Deployment')?.spec?.template.spec.containers[0].args ?? [];
  t.equal(args[0], 'rollout');
  const loaded = await loadSettings({
    programs: ['rollout'],
    flags: Object.fromEntries(args.slice(1).map((arg) => arg.replace(/^--/, '').split('=') as [string, string])),
    environment: {},
    readFile: () => Promise.resolve(undefined),
    uid: 65532,
    home: '/',
  });
  t.match(loaded, { ok: true, settings: { rolloutLease: { namespace: 'plimsoll', name: 'plimsoll-rollout' } } });
});

void t.test('the policy of the manifests changes nothing', (t) => {
  const texts = Object.values(objects.find(({ kind }) => kind === 'ConfigMap')?.data ?? {});
  t.equal(texts.length, 1);
  for (const text of texts) {
    const [document] = parseAllDocuments(text);
    t.match(parseRolloutPolicy({ value: document?.toJS(), source: 'm' }), { ok: true, value: { mode: 'dryRun' } });
  }
  t.end();
});

void t.test('rights: what is written is the four kinds, NetworkPolicies and its own lease', (t) => {
  const writes = objects.flatMap(({ rules = [] }) =>
    rules.flatMap(({ resources, verbs }) =>
      resources.flatMap((resource) =>
        verbs.filter((verb) => verb !== 'get' && verb !== 'list').map((verb) => `${verb} ${resource}`),
      ),
    ),
  );
  t.strictSame(writes.toSorted(), [
    'create leases',
    'create networkpolicies',
    'delete networkpolicies',
    'patch cronjobs',
    'patch daemonsets',
    'patch deployments',
    'patch leases',
    'patch statefulsets',
  ]);
  for (const { rules = [] } of objects)
    for (const { apiGroups, resources, verbs } of rules)
      t.notOk([...apiGroups, ...resources, ...verbs].includes('*'), 'no wildcard');
  t.end();
});
