import t from 'tap';
import { health } from '../../../../posture/check/container/health.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

judgeContainers(t, health, [
  { name: 'none', verdict: 'fail', seen: ['none'], severity: 'low' },
  { name: 'healthy', container: { declared: { health: 'healthy' } }, verdict: 'pass', seen: ['healthy'] },
  { name: 'starting', container: { declared: { health: 'starting' } }, verdict: 'pass' },
  { name: 'unhealthy', container: { declared: { health: 'unhealthy' } }, verdict: 'fail', severity: 'medium' },
  { name: 'a pod', container: { podUid: '7f3e' }, verdict: 'notApplicable' },
]);
