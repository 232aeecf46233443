import { chaos } from './chaos.ts';

await chaos({
  name: 'collector and agent are killed while containers come and go',
  shape: { starts: 200, collectorKills: 20, agentKills: 5 },
});
