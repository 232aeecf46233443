import { findSecrets } from '../../redaction/find-secrets.ts';
import type { SecretSpan } from '../../redaction/span.ts';
import { judgeSteps, instructionOf } from '../build-step.ts';
import { imageCheck } from '../check.ts';

/** Kinds of secrets that the evidence of one step names. */
const MAX_KINDS = 4;

export const historySecret = imageCheck({
  id: 'image.history-secret',
  title: 'No secret found in the build steps',
  failTitle: 'Build steps contain secrets',
  judgedBy: 'configuration',
  severity: 'high',
  rationale:
    'Values of ARG and ENV and the text of RUN stay in the image: everyone who can pull it can read them with docker history.',
  remediation:
    'Build with RUN --mount=type=secret, pass secrets to containers at run time, and change those that are already in an image.',
  references: ['https://docs.docker.com/build/building/secrets/'],
  judges: 'image',
  needs: [],
  judge: (image) =>
    judgeSteps(image, {
      meaning: 'everyone who can pull the image can read its secrets',
      expected: 'no secret',
      wrong: secretIn,
    }),
});

/** Number, kinds and names of the secrets in a step. Never quotes the step: a finding must not contain a value. */
function secretIn(step: string): string | undefined {
  const secrets = findSecrets(step);
  if (secrets.length === 0) return undefined;
  const kinds = [...new Set(secrets.map(kindOf))];
  const more = kinds.length > MAX_KINDS ? ` and ${String(kinds.length - MAX_KINDS)} more kinds` : '';
  const instruction = instructionOf(step);
  return `${instruction} holds ${count(secrets.length)}: ${kinds.slice(0, MAX_KINDS).join(', ')}${more}`;
}

const count = (secrets: number): string => (secrets === 1 ? '1 secret' : `${String(secrets)} secrets`);

function kindOf({ what, name }: SecretSpan): string {
  return name === undefined || what.includes(name) ? what : `${what} (${name})`;
}
