import { imageRulesCheck } from '../check.ts';
import { judgeRules } from '../image-rules.ts';

export const vulnerabilities = imageRulesCheck({
  id: 'image.vulnerabilities',
  title: 'Image policies accept the vulnerabilities of the image',
  failTitle: 'Vulnerabilities of the image are refused by an image policy',
  judgedBy: 'effect',
  severity: 'high',
  rationale:
    'A package with a known vulnerability is attacked with tools that everybody has. The rules vulnerability and scan of the image policies of the collector say which vulnerabilities may run and how old a list of packages may be; this image runs although one of them refuses it, in whatever mode the policy is.',
  remediation:
    'Rebuild the image with the fixed versions (plimsoll fixes names them, plimsoll images show all vulnerabilities) and roll it out. If the vulnerability cannot be reached, say so in a VEX statement or a waiver with an end.',
  references: [
    'https://csrc.nist.gov/pubs/sp/800/190/final',
    'https://docs.docker.com/build/building/best-practices/#rebuild-your-images-often',
  ],
  judges: 'imageRules',
  ruleTypes: ['vulnerability', 'scan'],
  needs: [],
  judge: judgeRules,
});
