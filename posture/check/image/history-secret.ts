import { REDACTED } from '../../fact/image.ts';
import { isSecretName, SECRET_FORMS } from '../../secret.ts';
import { judgeSteps, instructionOf } from '../build-step.ts';
import { imageCheck } from '../check.ts';

/** Values that are secrets by their form. */
const SECRET_VALUES: typeof SECRET_FORMS = [
  ...SECRET_FORMS,
  { what: 'a password in an address', form: /:\/\/[^\s:/@$]{1,64}:[^\s/@$]{1,128}@/ },
];

export const historySecret = imageCheck({
  id: 'image.history-secret',
  title: 'No secret stands in the build steps of an image',
  severity: 'high',
  rationale:
    'Values of ARG and ENV and the text of RUN stay in the image: whoever can pull it reads them with docker history.',
  remediation:
    'Build with RUN --mount=type=secret, give secrets to containers when they run, and change those that are already in an image.',
  references: ['https://docs.docker.com/build/building/secrets/'],
  judges: 'image',
  needs: [],
  judge: (image) => judgeSteps(image, 'no secret', secretIn),
});

/** Says what kind of secret it is and under which name, but never quotes the step: the value must go no further. */
function secretIn(step: string): string | undefined {
  const instruction = instructionOf(step);
  const name = secretName(step);
  if (name !== undefined) return `${instruction} gives a value to ${name}`;
  const kind = SECRET_VALUES.find(({ form }) => form.test(step))?.what;
  if (kind !== undefined) return `${instruction} holds ${kind}`;
  return step.includes(REDACTED) ? `${instruction} holds a value that was taken for a secret` : undefined;
}

function secretName(step: string): string | undefined {
  for (const [, name = '', value = ''] of step.matchAll(/\b([A-Za-z_]\w*)=(\S*)/g))
    if (isSecretName(name) && isValue(value)) return name;
  return undefined;
}

/** Empty and a reference to a variable are no value; quotes around them change nothing. */
function isValue(value: string): boolean {
  const plain = value.replace(/^["']|["']$/g, '');
  return plain !== '' && !plain.startsWith('$');
}
