import { chaos } from './chaos.ts';

const MIB = 1024 * 1024;

await chaos({
  name: 'the disks of store and spool fill up while containers come and go',
  shape: { starts: 40, fullStores: 5, fullSpools: 5, collectorKills: 5, agentKills: 4 },
  diskBytes: { collector: 48 * MIB, agent: 4 * MIB },
});
