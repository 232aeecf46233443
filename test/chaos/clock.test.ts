import { chaos } from './chaos.ts';

await chaos({
  name: 'the clocks jump an hour each way while containers come and go',
  shape: { starts: 40, clockJumps: 12, collectorKills: 2, agentKills: 1 },
});
