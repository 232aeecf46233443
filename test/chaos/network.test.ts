import { chaos } from './chaos.ts';

await chaos({
  name: 'the network fails in every way while containers come and go',
  shape: { starts: 40, networkFaults: 18, collectorKills: 1 },
});
