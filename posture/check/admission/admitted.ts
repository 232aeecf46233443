import type { AdmittedContainer } from '../../fact/admitted-container.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { admittedContainerCheck } from '../check.ts';
import { quote, quoteList } from '../evidence-text.ts';

export const admitted = admittedContainerCheck({
  id: 'admission.admitted',
  title: 'Container runs as the admission webhook admitted it',
  failTitle: 'Container runs without having been admitted',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'The admission webhook judges what the API server creates. A static pod, a container that was put into a pod at the runtime, or an image that was replaced on the node under the name of another one passes no webhook: it may run any image with any privilege.',
  remediation:
    'Find out who started it. A static pod comes from a file on the node: staticPodPath or staticPodURL of the kubelet. A pod that was created while the webhook was not registered is judged when it is created again: kubectl delete pod. If the image differs from the one that was admitted, isolate the node and compare the content of its image store with the registry.',
  references: [
    'https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/',
    'https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/',
  ],
  judges: 'admittedContainer',
  needs: [],
  judge: (container) => {
    const { admission, podUid } = container;
    const seen = { source: `pod uid ${quote(podUid)}, container ${container.id.slice(0, 12)}`, expected: 'admitted' };
    switch (admission.state) {
      case 'exempt':
        return manual('a new pod in a namespace that the webhook leaves out: is it one of yours?', {
          ...seen,
          seen: 'not judged',
        });
      case 'older':
        return notApplicable('not admitted: it is older than the first report of an admission webhook');
      case 'notKnown':
        return unknownBecause(`whether it was admitted is not known: ${quote(admission.reason)}`);
      case 'static':
        if (admission.isExemptNamespace)
          return manual('static pod in a namespace that the webhook leaves out: is it one of yours?', {
            ...seen,
            seen: 'static pod',
          });
        return fail('static pod: the kubelet started it from a file on the node, and no webhook saw it', {
          ...seen,
          seen: 'static pod',
        });
      case 'missing':
        return fail('no admission webhook has admitted this pod', { ...seen, seen: 'not admitted' });
      case 'admitted':
        return judgeAdmitted(container, admission);
    }
  },
});

function judgeAdmitted(
  { namespace, pod, image, imageId, digests, podUid }: AdmittedContainer,
  admission: Extract<AdmittedContainer['admission'], { readonly state: 'admitted' }>,
): Judgement {
  const admittedAs = `${admission.namespace}/${admission.pod}`;
  const source = `admission of pod uid ${quote(podUid)}`;
  if (namespace !== admission.namespace || pod !== admission.pod)
    return fail('its pod has the uid of another pod that was admitted', {
      source,
      seen: quote(`${namespace}/${pod}`),
      expected: quote(admittedAs),
    });
  const wanted = admission.images.map(({ digest }) => digest).filter((digest) => digest !== '');
  const named = /@(sha\d+:[0-9a-f]+)$/.exec(image)?.[1];
  const known = named === undefined ? digests : [named, ...digests];
  const evidence: Evidence = {
    source,
    seen: `${quote(image)}, image ${quote(imageId)}${known.length === 0 ? '' : `, manifest ${quoteList(known)}`}`,
    expected: quoteList(admission.images.map(({ reference, digest }) => (digest === '' ? reference : digest))),
  };
  const isAllPinned = admission.isComplete && wanted.length === admission.images.length;
  if (!isAllPinned || known.length === 0) return pass(evidence);
  // The name on the node and the manifest in the registry: each has to be one that was admitted.
  const isNamed = named === undefined || wanted.includes(named);
  const isHeld = digests.length === 0 || digests.some((digest) => wanted.includes(digest));
  return isNamed && isHeld ? pass(evidence) : fail('it runs another image than the one that was admitted', evidence);
}
