import t from 'tap';
import { defaultBridge } from '../../../../posture/check/container/default-bridge.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

judgeContainers(t, defaultBridge, [
  { name: 'the default container', verdict: 'fail', seen: ['bridge'] },
  { name: 'a network of its own', container: { declared: { networks: ['shop'] } }, verdict: 'pass', seen: ['shop'] },
  { name: 'both', container: { declared: { networks: ['shop', 'bridge'] } }, verdict: 'fail' },
  { name: 'a name that holds the word', container: { declared: { networks: ['shop_bridge'] } }, verdict: 'pass' },
  {
    name: 'the network of another container',
    container: { declared: { networks: [] } },
    verdict: 'pass',
    seen: ['none'],
  },
]);
