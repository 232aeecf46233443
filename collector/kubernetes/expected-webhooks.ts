/** A webhook as `manifests/admission` declares it; a test compares the two. */
export interface ExpectedWebhook {
  readonly name: string;
  readonly path: string;
  readonly failurePolicy: 'Fail' | 'Ignore';
  /** Empty: it validates only. */
  readonly reinvocationPolicy: '' | 'IfNeeded';
  /** Canonical: see `canonicalRule`. */
  readonly rules: readonly WebhookRule[];
}

/** What a webhook is asked about. */
export interface WebhookRule {
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly operations: readonly string[];
  readonly resources: readonly string[];
  readonly scope: string;
}

const rule = (apiGroup: string, operations: readonly string[], resources: readonly string[]): WebhookRule => ({
  apiGroups: [apiGroup],
  apiVersions: ['v1'],
  operations,
  resources,
  scope: 'Namespaced',
});
const CHANGES = ['CREATE', 'UPDATE'];

/** The service that the API server calls. */
export const WEBHOOK_SERVICE = Object.freeze({ namespace: 'plimsoll', name: 'plimsoll-admission', port: 443 });
/** The label that names a namespace. */
export const NAMESPACE_LABEL = 'kubernetes.io/metadata.name';

/** The webhooks of the ValidatingWebhookConfiguration. */
export const VALIDATING: readonly ExpectedWebhook[] = Object.freeze([
  {
    name: 'pods.plimsoll.dev',
    path: '/validate',
    failurePolicy: 'Fail',
    reinvocationPolicy: '',
    rules: [rule('', CHANGES, ['pods', 'pods/ephemeralcontainers'])],
  },
  {
    name: 'templates.plimsoll.dev',
    path: '/validate',
    failurePolicy: 'Fail',
    reinvocationPolicy: '',
    rules: [
      rule('apps', CHANGES, ['deployments', 'statefulsets', 'daemonsets', 'replicasets', 'controllerrevisions']),
      rule('batch', CHANGES, ['jobs', 'cronjobs']),
      rule('', CHANGES, ['replicationcontrollers', 'podtemplates']),
    ],
  },
]);

/** The webhooks of the MutatingWebhookConfiguration, which is optional. */
export const MUTATING: readonly ExpectedWebhook[] = Object.freeze([
  {
    name: 'pin-tags.plimsoll.dev',
    path: '/mutate',
    failurePolicy: 'Ignore',
    reinvocationPolicy: 'IfNeeded',
    rules: [rule('', ['CREATE'], ['pods'])],
  },
]);
