import t from 'tap';
import { systemClock } from '../../../service/clock.ts';
import { until, watched } from './watched.ts';

void t.test('after the process stood still a round is made at once', async (t) => {
  let jumpMs = 0;
  const clock = systemClock();
  const turned = { ...clock, now: () => clock.now() + jumpMs };
  const node = await watched(t, { dockerHost: 'unix:///nonexistent/docker.sock', clock: turned });
  const rounds = (): readonly string[] => node.logged.filter((line) => line.startsWith('full round'));
  await until('the first round', () => rounds().length === 1);
  jumpMs = 60_000;
  await until('a round for that reason', () => rounds().some((line) => line.includes('stood still')));
  t.ok(node.logged.some((line) => line.startsWith('this process stood still')));
});
