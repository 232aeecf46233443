import t from 'tap';
import { defaultBridge } from '../../../../posture/check/container/default-bridge.ts';
import type { Facts } from '../../../../posture/fact/facts.ts';
import { seen } from '../../../../posture/observed.ts';
import { containerFact } from '../../../fixture/container.ts';
import type { ContainerOverrides } from '../../../fixture/container.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const joining = (of: string): ContainerOverrides => ({ declared: { networkMode: `container:${of}`, networks: [] } });
const others = (...containers: readonly ContainerOverrides[]): Partial<Facts> => ({
  containers: seen(
    containers.map((each) => containerFact(each)),
    'GET /containers/json',
  ),
});

judgeContainers(t, defaultBridge, [
  { name: 'the default container', verdict: 'fail', seen: ['bridge'] },
  { name: 'a network of its own', container: { declared: { networks: ['shop'] } }, verdict: 'pass', seen: ['shop'] },
  { name: 'both', container: { declared: { networks: ['shop', 'bridge'] } }, verdict: 'fail' },
  { name: 'a name that holds the word', container: { declared: { networks: ['shop_bridge'] } }, verdict: 'pass' },
  { name: 'no network', container: { declared: { networkMode: 'none', networks: ['none'] } }, verdict: 'pass' },
  {
    name: 'the network of a container on the default bridge',
    container: joining('a'.repeat(64)),
    facts: others({ id: 'a'.repeat(64), name: 'gate' }),
    verdict: 'fail',
    seen: ['bridge of gate, whose network it joined'],
  },
  {
    name: 'by way of a third',
    container: joining('a'.repeat(64)),
    facts: others({ id: 'a'.repeat(64), ...joining('gate') }, { id: 'b'.repeat(64), name: 'gate' }),
    verdict: 'fail',
  },
  {
    name: 'the network of a container with a network of its own',
    container: joining('a'.repeat(64)),
    facts: others({ id: 'a'.repeat(64), declared: { networkMode: 'shop', networks: ['shop'] } }),
    verdict: 'pass',
  },
  {
    name: 'the network of a container that was not seen',
    container: joining('a'.repeat(64)),
    facts: others(),
    verdict: 'unknown',
    reason: /not inspected/,
  },
  {
    name: 'a ring',
    container: joining('a'.repeat(64)),
    facts: others({ id: 'a'.repeat(64), ...joining('a'.repeat(64)) }),
    verdict: 'unknown',
  },
]);
