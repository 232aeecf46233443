import { chaos } from './chaos.ts';

await chaos({
  name: 'collector and agent are killed while containers come and go',
  shape: { starts: 100, collectorKills: 12, agentKills: 4 },
});
