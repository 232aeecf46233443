import type { Host } from '../../../agent/host/host.ts';
import { createParseCache } from '../../../agent/inspector/parse-cache.ts';
import { createFailedLooks } from '../../../agent/inspector/unobserved/failed-looks.ts';
import { createInventory } from '../../../agent/inventory/inventory.ts';
import type { NodeAccess } from '../../../agent/node-access.ts';
import { createProber } from '../../../agent/probe/tls-prober.ts';
import { createDockerRuntime } from '../../../agent/runtime/docker/docker-runtime.ts';
import { noAgent } from '../../fixture/facts.ts';
import { ONE_ENGINE } from '../../fixture/one-engine.ts';

/** A live node around a host, with an engine at `endpoint`. */
export function nodeOf(host: Host, endpoint = 'unix:///none/docker.sock'): NodeAccess {
  return {
    host,
    runtime: createDockerRuntime({ endpoint }),
    prober: createProber({ timeoutMs: 500 }),
    inventory: createInventory({ host, agentVersion: '1.2.3', makeNodeId: () => Promise.resolve('0'.repeat(32)) }),
    agent: noAgent,
    engines: ONE_ENGINE,
    cache: createParseCache(),
    failedLooks: createFailedLooks(),
    now: () => Date.UTC(2026, 0, 2),
  };
}
