import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import { decide } from '../../policy/decide.ts';
import { decidePod } from '../../policy/pod/decide-pod.ts';
import { temporaryDirectory } from '../cli/process.ts';
import { podPolicy } from '../fixture/admission-requests.ts';
import { evidence, NOW, policy } from '../fixture/image-evidence.ts';
import { settingsWith } from '../fixture/settings.ts';

const DIRECTORY = join(import.meta.dirname, '../../manifests/admission');

type Json = Record<string, never>;

const objects = readdirSync(DIRECTORY).flatMap((name) =>
  parseAllDocuments(readFileSync(join(DIRECTORY, name), 'utf8')).map((document) => document.toJS() as Json),
);

function ofKind(kind: string): Json {
  const found = objects.find((object) => String(object['kind']) === kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

interface Webhook {
  readonly name: string;
  readonly failurePolicy: string;
  readonly sideEffects: string;
  readonly timeoutSeconds: number;
  readonly namespaceSelector: {
    readonly matchExpressions: readonly { readonly key: string; readonly values: readonly string[] }[];
  };
  readonly clientConfig: { readonly service: { readonly path: string } };
  readonly rules: readonly { readonly resources: readonly string[]; readonly operations: readonly string[] }[];
}

const deployment = ofKind('Deployment');
const { args } = (
  deployment as unknown as { spec: { template: { spec: { containers: readonly [{ args: readonly string[] }] } } } }
).spec.template.spec.containers[0];
const flags = Object.fromEntries(args.slice(1).map((arg) => arg.replace(/^--/, '').split('=') as [string, string]));

void t.test('the arguments are settings, and leave out the namespaces that the webhooks leave out', async (t) => {
  t.equal(args[0], 'admission');
  const settings = await settingsWith('admission', flags);
  const exempt = [...settings.admissionExemptNamespaces].toSorted();
  for (const kind of ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']) {
    const { webhooks, metadata } = ofKind(kind) as unknown as {
      webhooks: readonly Webhook[];
      metadata: { name: string };
    };
    t.equal(metadata.name, settings.admissionConfiguration);
    for (const webhook of webhooks) {
      const [selector] = webhook.namespaceSelector.matchExpressions;
      t.equal(selector?.key, 'kubernetes.io/metadata.name', 'not a label that users set');
      t.strictSame([...(selector?.values ?? [])].toSorted(), exempt);
      t.equal(webhook.sideEffects, 'None');
      t.equal(webhook.timeoutSeconds, 5);
    }
  }
  const [pods] = (ofKind('ValidatingWebhookConfiguration') as unknown as { webhooks: readonly Webhook[] }).webhooks;
  t.match(pods, {
    failurePolicy: 'Fail',
    rules: [{ resources: ['pods', 'pods/ephemeralcontainers'], operations: ['CREATE', 'UPDATE'] }],
  });
  t.equal(settings.admissionTlsNames[0], 'plimsoll-admission.plimsoll.svc');
});

void t.test('the pod of the webhook meets the level restricted', (t) => {
  const images = [policy([])];
  const { warnings } = decidePod(
    { kind: 'Deployment', object: deployment, namespace: 'plimsoll' },
    {
      podPolicies: [podPolicy({ podSecurity: { level: 'restricted' } })],
      placement: undefined,
      decideImage: (subject) => decide(subject, evidence(), images, NOW),
    },
  );
  t.strictSame(warnings, []);
  t.end();
});

void t.test('its rights are named objects only', (t) => {
  for (const kind of ['Role', 'ClusterRole'])
    for (const rule of (
      ofKind(kind) as unknown as { rules: readonly { resourceNames?: readonly string[]; verbs: readonly string[] }[] }
    ).rules) {
      t.ok((rule.resourceNames ?? []).length > 0);
      t.strictSame(rule.verbs, ['get', 'patch']);
    }
  t.end();
});

void t.test('the policies are valid and refuse nothing', async (t) => {
  const { data } = ofKind('ConfigMap') as unknown as { data: Readonly<Record<string, string>> };
  const directory = temporaryDirectory(t);
  const paths = Object.entries(data).map(([name, text]) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  });
  const loaded = await loadPolicies(paths);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  t.strictSame(
    [...loaded.policies, ...loaded.podPolicies].map(({ mode }) => mode),
    ['observe', 'observe'],
  );
});
