import type { WebhookDifference } from '../../posture/fact/cluster-admission.ts';
import { createHash } from 'node:crypto';
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
        reinvocationPolicy: text,
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

/** What a configuration is compared with besides the declaration. */
export interface WebhookTerms {
  /** Namespaces that may be left out. */
  readonly exempt: readonly string[];
  /** SHA-256 of each `caBundle` that the webhooks keep; empty: it is not known, so any is as good. */
  readonly caBundles: ReadonlySet<string>;
}

/** Every difference between a configuration and what this version declares. */
export function compareWebhooks(
  { webhooks }: WebhookConfiguration,
  expected: readonly ExpectedWebhook[],
  terms: WebhookTerms,
): readonly WebhookDifference[] {
  const differences: WebhookDifference[] = [];
  for (const wanted of expected) {
    const found = webhooks.find(({ name }) => name === wanted.name);
    if (found === undefined) differences.push({ field: wanted.name, seen: 'absent', expected: 'registered' });
    else differences.push(...compareWebhook(found, wanted, terms));
  }
  for (const { name } of webhooks)
    if (!expected.some((wanted) => wanted.name === name))
      differences.push({ field: name, seen: 'registered', expected: 'not declared' });
  return differences;
}

function compareWebhook(
  found: Webhook,
  wanted: ExpectedWebhook,
  { exempt, caBundles }: WebhookTerms,
): readonly WebhookDifference[] {
  const {
    clientConfig,
    failurePolicy,
    matchPolicy,
    reinvocationPolicy,
    objectSelector,
    matchConditions,
    timeoutSeconds,
  } = found;
  const service = { ...WEBHOOK_SERVICE, path: wanted.path };
  const { namespace, name, path, port } = clientConfig.service;
  const fields: readonly (readonly [field: string, seen: unknown, expected: unknown])[] = [
    ['clientConfig.url', clientConfig.url, ''],
    [
      'clientConfig.service',
      [namespace, name, path, port],
      [service.namespace, service.name, service.path, service.port],
    ],
    caBundleField(clientConfig.caBundle, caBundles),
    ['failurePolicy', failurePolicy, wanted.failurePolicy],
    ['matchPolicy', matchPolicy, 'Equivalent'],
    ['reinvocationPolicy', reinvocationPolicy, wanted.reinvocationPolicy],
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

/** Another authority lets somebody else answer for the webhook. */
function caBundleField(
  caBundle: string,
  known: ReadonlySet<string>,
): readonly [field: string, seen: unknown, expected: unknown] {
  const field = 'clientConfig.caBundle';
  if (caBundle === '' || known.size === 0) return [field, caBundle === '' ? 'absent' : 'present', 'present'];
  const hash = hashOfBundle(caBundle);
  return known.has(hash)
    ? [field, '', '']
    : [field, `sha256:${hash}`, `${[...known].map((one) => `sha256:${one}`).join(' or ')}, as the webhook keeps it`];
}

/** SHA-256 of the bytes that a `caBundle` encodes. */
export function hashOfBundle(caBundle: string): string {
  return createHash('sha256').update(Buffer.from(caBundle, 'base64')).digest('hex');
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
