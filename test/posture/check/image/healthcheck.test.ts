import t from 'tap';
import { healthcheck } from '../../../../posture/check/image/healthcheck.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

judgeImages(t, healthcheck, [
  { name: 'none', verdict: 'fail', seen: ['not set'] },
  { name: 'that of the base image switched off', image: { healthcheck: ['NONE'] }, verdict: 'fail', seen: ['NONE'] },
  {
    name: 'a command',
    image: { healthcheck: ['CMD-SHELL', 'curl -f http://localhost/'] },
    verdict: 'pass',
    seen: ['CMD-SHELL curl -f http://localhost/'],
  },
]);
