import { fail, pass, unknownBecause } from '../../verdict.ts';
import { clusterCheck } from '../check.ts';
import { isoTime, quote } from '../evidence-text.ts';

/** Differences that one finding lists. */
const MAX_EVIDENCE = 20;

export const webhook = clusterCheck({
  id: 'admission.webhook',
  title: 'Admission webhook is registered as declared',
  failTitle: 'Registration of the admission webhook was changed or removed',
  judgedBy: 'effect',
  severity: 'critical',
  rationale:
    'The API server asks the admission webhook only as its webhook configuration says. Whoever may change or delete that configuration switches enforcement off for the cluster, for a kind of object or for some namespaces, and no request shows it.',
  remediation:
    'Apply the manifests of the webhook again: kubectl apply -k manifests/admission. The audit log of the API server names who changed the configuration. Limit the rights to patch, update and delete webhook configurations. Where the webhook was removed on purpose, set kubernetes-admission: off on the collector.',
  references: [
    'https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/',
    'https://kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices/',
  ],
  judges: 'cluster',
  needs: [],
  judge: ({ configuration, webhook: state }) => {
    const source = `Kubernetes API server, webhook configuration ${configuration}`;
    switch (state.state) {
      case 'unreadable':
        return unknownBecause(`${source}: cannot be read since ${isoTime(state.sinceMs)}: ${quote(state.reason)}`);
      case 'absent':
        return fail('the webhook configuration was deleted: the API server asks about no pod', {
          source,
          seen: 'absent',
          expected: 'registered',
        });
      case 'registered':
        break;
    }
    const { differences } = state;
    const [first] = differences;
    if (first === undefined) return pass({ source, seen: 'as declared', expected: 'as declared' });
    const rest = differences.length > 1 ? `; and ${String(differences.length - 1)} more` : '';
    return fail(
      `${first.field} is ${quote(first.seen)}${rest}`,
      ...differences.slice(0, MAX_EVIDENCE).map(({ field, seen, expected }) => ({
        source: `${source}, ${field}`,
        seen: quote(seen),
        expected: quote(expected),
      })),
    );
  },
});
