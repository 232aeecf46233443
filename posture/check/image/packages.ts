import { imageRulesCheck } from '../check.ts';
import { judgeRules } from '../image-rules.ts';

export const packages = imageRulesCheck({
  id: 'image.packages',
  title: 'Image holds no package that an image policy forbids',
  failTitle: 'Packages of the image are forbidden by an image policy',
  judgedBy: 'effect',
  severity: 'low',
  rationale:
    'Each package that an application does not need, such as a compiler, a shell or a network client, is one more that can be vulnerable and a tool for whoever breaks in. The rules package of the image policies of the collector say which packages are not wanted.',
  remediation:
    'Remove the named packages from the image: build in one stage and copy the result into a minimal base image, and install without recommended packages (apt-get install --no-install-recommends).',
  references: [
    'https://docs.docker.com/build/building/best-practices/#dont-install-unnecessary-packages',
    'https://docs.docker.com/build/building/multi-stage/',
  ],
  judges: 'imageRules',
  ruleTypes: ['package'],
  needs: [],
  judge: judgeRules,
});
