import { imageRulesCheck } from '../check.ts';
import { judgeRules } from '../image-rules.ts';

export const signature = imageRulesCheck({
  id: 'image.signature',
  title: 'Image has the signatures that image policies want',
  failTitle: 'Signatures that an image policy wants are missing',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'Whoever can push to the registry can replace an image. A signature by a key that the registry does not hold proves who released it. The rules signature of the image policies of the collector say whose signature an image needs; it counts only in the repository that the container was started from.',
  remediation:
    'Find out where the image comes from. If it is one of your releases, sign it in its repository (cosign sign --key KEY NAME@sha256:…); if not, replace it. Let plimsoll admission or plimsoll authz refuse unsigned images before they run.',
  references: [
    'https://docs.sigstore.dev/cosign/signing/signing_with_containers/',
    'https://kubernetes.io/docs/concepts/security/cloud-native-security/',
  ],
  judges: 'imageRules',
  ruleTypes: ['signature'],
  needs: [],
  judge: judgeRules,
});
