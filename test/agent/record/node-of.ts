import type { Host } from '../../../agent/host/host.ts';
import { createRecall } from '../../../agent/inspector/recall.ts';
import { createInventory } from '../../../agent/inventory/inventory.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import { createProber } from '../../../agent/probe/tls-prober.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker.ts';
import { noAgent } from '../../fixture/facts.ts';
import { ONE_ENGINE } from '../../fixture/one-engine.ts';

/** A live node around a host, with an engine at `endpoint`. */
export function nodeOf(host: Host, endpoint = 'unix:///none/docker.sock'): NodeAccess {
  return {
    host,
    runtime: createDockerRuntime({ endpoint }),
    prober: createProber({ timeoutMs: 500 }),
    inventory: createInventory({ host, agentVersion: '1.2.3' }),
    agent: noAgent,
    engines: ONE_ENGINE,
    recall: createRecall(),
    now: () => Date.UTC(2026, 0, 2),
  };
}
