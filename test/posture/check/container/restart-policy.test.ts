import t from 'tap';
import { restartPolicy } from '../../../../posture/check/container/restart-policy.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const policy = (name: string, restartMaximum = 0) => ({ declared: { restartPolicy: name, restartMaximum } });

judgeContainers(t, restartPolicy, [
  { name: 'none', verdict: 'pass', seen: ['no'] },
  { name: 'unsaid', container: policy(''), verdict: 'pass', seen: ['no'] },
  { name: 'five attempts', container: policy('on-failure', 5), verdict: 'pass', seen: ['on-failure:5'] },
  { name: 'six attempts', container: policy('on-failure', 6), verdict: 'fail', seen: ['on-failure:6'] },
  { name: 'attempts without end', container: policy('on-failure', 0), verdict: 'fail' },
  { name: 'always', container: policy('always'), verdict: 'fail', seen: ['always'] },
  { name: 'unless-stopped', container: policy('unless-stopped'), verdict: 'fail' },
  {
    name: 'a pod',
    container: { podUid: '7f3e', declared: { restartPolicy: 'always' } },
    verdict: 'notApplicable',
    reason: /kubelet/,
  },
]);
