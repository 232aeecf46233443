import { imageSourceOf } from '../../fact/image.ts';
import { fail, notApplicable, pass } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';

export const healthcheck = imageCheck({
  id: 'image.healthcheck',
  title: 'Image defines a health check',
  failTitle: 'Image defines no health check',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'The image knows best how to test its service. Without a check, a container that hangs is considered healthy.',
  remediation:
    'Add HEALTHCHECK to the Dockerfile with a command that queries the service. If the image is used only in pods, their probes do this: waive the finding.',
  references: ['https://docs.docker.com/reference/dockerfile/#healthcheck'],
  judges: 'image',
  needs: [],
  judge: (image) => {
    const { healthcheck: test, sources, runtime } = image;
    if (sources['healthcheck'] === undefined)
      return notApplicable(`${runtime} does not run health checks of images; the probes of a pod test its containers`);
    const source = imageSourceOf(image, 'healthcheck');
    const expected = 'a command';
    // `NONE` switches off the check of the base image.
    if (test.length === 0 || test[0] === 'NONE' || test[0] === '')
      return fail('nothing tests whether the service works', {
        source,
        seen: test[0] === 'NONE' ? 'NONE' : 'not set',
        expected,
      });
    return pass({ source, seen: quote(test.join(' ')), expected });
  },
});
