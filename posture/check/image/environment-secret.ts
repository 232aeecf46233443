import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

/** Variables that the evidence names. */
const MAX_NAMED = 8;

export const environmentSecret = imageCheck({
  id: 'image.environment-secret',
  title: 'No secret found in the environment of the image',
  failTitle: 'Environment of the image contains secrets',
  judgedBy: 'configuration',
  severity: 'high',
  rationale:
    'Everyone who can pull the image can read its environment, and every process of every container inherits it. Child processes, crash reports and debug pages repeat it.',
  remediation:
    'Remove the ENV instruction, pass the secret at run time (a mounted secret, not a variable, where possible), and change it: it stays in the layers of images that are already built.',
  references: ['https://docs.docker.com/build/building/secrets/'],
  judges: 'image',
  needs: [],
  judge: ({ environmentSecrets }) => {
    if (environmentSecrets.state === 'unreadable')
      return unknownBecause(`${environmentSecrets.source}: ${environmentSecrets.reason}`);
    if (environmentSecrets.state === 'absent') return notApplicable('the image defines no environment');
    const { source, value: names } = environmentSecrets;
    const expected = 'no secret';
    const [first] = names;
    if (first === undefined) return pass({ source, seen: 'no variable with a secret', expected });
    const further = names.length > MAX_NAMED ? ` and ${String(names.length - MAX_NAMED)} more` : '';
    const evidence = names.slice(0, MAX_NAMED).map((name) => ({ source, seen: `a value of ${quote(name)}`, expected }));
    const list = names.slice(0, MAX_NAMED).map(quote).join(', ');
    return fail(`everyone who can pull the image can read ${quote(list)}${further}`, ...evidence);
  },
});
