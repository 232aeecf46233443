import type { WebhookDifference } from '../../posture/fact/cluster-admission.ts';
import * as s from '../../posture/schema.ts';
import { NAMESPACE_LABEL, WEBHOOK_SERVICE } from './expected-webhooks.ts';
import type { ExpectedWebhook } from './expected-webhooks.ts';
import { selectorSchema } from './label-selector.ts';
import type { LabelSelector } from './label-selector.ts';

const text = s.withDefault(s.string('', 4_096), '');
const words = s.withDefault(s.list(s.string('', 512), '', 256), []);

/**
 * ValidatingWebhookConfiguration and MutatingWebhookConfiguration (admissionregistration.k8s.io/v1), as far as it decides
 * what the webhook is asked, and who is.
 */
export const webhookConfigurationSchema = s.object({
  webhooks: s.withDefault(
    s.list(
      s.object({
        name: s.string('', 512),
        clientConfig: s.object({
          url: text,
          service: s.withDefault(
            s.object({ namespace: text, name: text, path: text, port: s.withDefault(s.integer(), 443) }),
            { namespace: '', name: '', path: '', port: 443 },
          ),
          caBundle: s.withDefault(s.string('', 1_000_000), ''),
        }),
        failurePolicy: text,
        matchPolicy: text,
        namespaceSelector: selectorSchema,
        objectSelector: selectorSchema,
        matchConditions: s.withDefault(s.list(s.unknown(), '', 64), []),
        rules: s.withDefault(
          s.list(
            s.object({ apiGroups: words, apiVersions: words, operations: words, resources: words, scope: text }),
            '',
            64,
          ),
          [],
        ),
        timeoutSeconds: s.withDefault(s.integer(), 10),
      }),
      '',
      64,
    ),
    [],
  ),
});
/** See {@link webhookConfigurationSchema}. */
export type WebhookConfiguration = s.Infer<typeof webhookConfigurationSchema>;
type Webhook = WebhookConfiguration['webhooks'][number];

/** A shorter deadline than this one lets a busy node make the API server give up. */
const MIN_TIMEOUT_SECONDS = 2;

/** Every difference between a configuration and what this version declares. `exempt`: namespaces that may be left out. */
export function compareWebhooks(
  { webhooks }: WebhookConfiguration,
  expected: readonly ExpectedWebhook[],
  exempt: readonly string[],
): readonly WebhookDifference[] {
  const differences: WebhookDifference[] = [];
  for (const wanted of expected) {
    const found = webhooks.find(({ name }) => name === wanted.name);
    if (found === undefined) differences.push({ field: wanted.name, seen: 'absent', expected: 'registered' });
    else differences.push(...compareWebhook(found, wanted, exempt));
  }
  for (const { name } of webhooks)
    if (!expected.some((wanted) => wanted.name === name))
      differences.push({ field: name, seen: 'registered', expected: 'not declared' });
  return differences;
}

function compareWebhook(
  found: Webhook,
  wanted: ExpectedWebhook,
  exempt: readonly string[],
): readonly WebhookDifference[] {
  const { clientConfig, failurePolicy, matchPolicy, objectSelector, matchConditions, timeoutSeconds } = found;
  const service = { ...WEBHOOK_SERVICE, path: wanted.path };
  const { namespace, name, path, port } = clientConfig.service;
  const fields: readonly (readonly [field: string, seen: unknown, expected: unknown])[] = [
    ['clientConfig.url', clientConfig.url, ''],
    [
      'clientConfig.service',
      [namespace, name, path, port],
      [service.namespace, service.name, service.path, service.port],
    ],
    ['clientConfig.caBundle', clientConfig.caBundle === '' ? 'absent' : 'present', 'present'],
    ['failurePolicy', failurePolicy, wanted.failurePolicy],
    ['matchPolicy', matchPolicy, 'Equivalent'],
    ['objectSelector', objectSelector, EVERYTHING],
    ['matchConditions', matchConditions, []],
    ['rules', found.rules.map(canonicalRule).toSorted(), wanted.rules.map(canonicalRule).toSorted()],
    ['timeoutSeconds', timeoutSeconds >= MIN_TIMEOUT_SECONDS ? 'enough' : timeoutSeconds, 'enough'],
  ];
  const differing = fields
    .filter(([, seen, expected]) => JSON.stringify(seen) !== JSON.stringify(expected))
    .map(([field, seen, expected]) => difference(`${found.name}: ${field}`, seen, expected));
  return leavesOutOnly(found.namespaceSelector, exempt)
    ? differing
    : [
        ...differing,
        difference(`${found.name}: namespaceSelector`, found.namespaceSelector, {
          matchLabels: {},
          matchExpressions: [{ key: NAMESPACE_LABEL, operator: 'NotIn', values: exempt }],
        }),
      ];
}

const EVERYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** Does the selector leave out nothing but namespaces of these names? */
function leavesOutOnly({ matchLabels, matchExpressions }: LabelSelector, exempt: readonly string[]): boolean {
  return (
    Object.keys(matchLabels).length === 0 &&
    matchExpressions.every(
      ({ key, operator, values }) =>
        key === NAMESPACE_LABEL && operator === 'NotIn' && values.every((value) => exempt.includes(value)),
    )
  );
}

/** Order does not matter within a rule, nor between rules. */
function canonicalRule(rule: Webhook['rules'][number]): string {
  const { apiGroups, apiVersions, operations, resources, scope } = rule;
  return JSON.stringify([...[apiGroups, apiVersions, operations, resources].map((list) => list.toSorted()), scope]);
}

function difference(field: string, seen: unknown, expected: unknown): WebhookDifference {
  return { field, seen: textOf(seen), expected: textOf(expected) };
}

function textOf(value: unknown): string {
  if (value === '') return 'absent';
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 1_000);
}
