import { chaos } from './chaos.ts';

await chaos({
  name: 'the engine is away, hangs or answers nonsense while containers come and go',
  shape: { starts: 40, engineFaults: 8, agentKills: 4, collectorKills: 2 },
});
