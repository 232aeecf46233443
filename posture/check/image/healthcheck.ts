import { fail, pass } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const healthcheck = imageCheck({
  id: 'image.healthcheck',
  title: 'Every image defines a health check',
  severity: 'low',
  rationale:
    'The image knows best how its service is asked whether it works. Without a check, a container that hangs is taken for one that runs.',
  remediation:
    'Add HEALTHCHECK to the Dockerfile with a command that asks the service itself. Where only pods are made of the image, their probes do this: waive the finding.',
  references: ['https://docs.docker.com/reference/dockerfile/#healthcheck'],
  judges: 'image',
  needs: [],
  judge: ({ id, healthcheck: test }) => {
    const source = `inspect ${quote(id)} Config.Healthcheck.Test`;
    const expected = 'a command';
    // `NONE` switches off the check of the base image.
    if (test.length === 0 || test[0] === 'NONE' || test[0] === '')
      return fail({ source, seen: test[0] === 'NONE' ? 'NONE' : 'not set', expected });
    return pass({ source, seen: quote(test.join(' ')), expected });
  },
});
