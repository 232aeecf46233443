import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { clusterCheck } from '../check.ts';
import { isoTime, quote } from '../evidence-text.ts';

/** Namespaces that one finding lists. */
const MAX_EVIDENCE = 20;

export const exemptNamespace = clusterCheck({
  id: 'admission.exempt-namespace',
  title: 'Admission webhook is asked about all other namespaces',
  failTitle: 'Namespaces are exempt from the admission webhook',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'The webhook configuration selects namespaces by their labels. Whoever may label a namespace, or edit the selector, can leave it out: every pod runs there unjudged, with any image and any privilege.',
  remediation:
    'Remove the label that the evidence names, or correct namespaceSelector of the webhook configuration; then judge what was started meanwhile: kubectl get pods -n NAMESPACE. Before Kubernetes 1.21 the label kubernetes.io/metadata.name can be set by anybody who may change the namespace. Where the exemption is wanted, add the namespace to kubernetes-admission-exempt of the collector.',
  references: [
    'https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-namespaceselector',
  ],
  judges: 'cluster',
  needs: [],
  judge: ({ configuration, webhook, exempt }) => {
    if (webhook.state === 'absent') return notApplicable('the webhook is not registered: see admission.webhook');
    if (exempt.state === 'unreadable')
      return unknownBecause(
        `the namespaces of the cluster cannot be read since ${isoTime(exempt.sinceMs)}: ${quote(exempt.reason)}`,
      );
    const { namespaces } = exempt;
    const expected = `selected by ${configuration}`;
    const [first] = namespaces;
    if (first === undefined)
      return pass({ source: 'Kubernetes API server, namespaces', seen: 'no other namespace is exempt', expected });
    const rest = namespaces.length > 1 ? ` and ${String(namespaces.length - 1)} more` : '';
    return fail(
      `the webhook is not asked about namespace ${quote(first.name)}${rest}`,
      ...namespaces.slice(0, MAX_EVIDENCE).map(({ name, because }) => ({
        source: `Kubernetes API server, namespace ${name}`,
        seen: `exempt: ${quote(because)}`,
        expected,
      })),
    );
  },
});
