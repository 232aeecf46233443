import t from 'tap';
import { createImageRequests } from '../../../collector/session/image-requests.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

void t.test('a node that announces what another has, and does not send it, cannot keep it out', async (t) => {
  const clock = createFakeClock();
  const requests = createImageRequests(clock);
  let asked = 0;
  // Both try whenever a request may have ended; the liar is always first, and connects again each time.
  for (let second = 0; second < 600 && asked === 0; second += 1) {
    requests.begin('liar', 'd');
    if (requests.begin('honest', 'd')) asked = second;
    if (second % 40 === 39) requests.endAll('liar');
    await clock.advance(1000);
  }
  t.ok(asked > 0 && asked <= 150, `the honest node was asked after ${String(asked)} s`);
  requests.done('honest', 'd');
  for (let failures = 0; failures < 4; failures += 1) {
    t.ok(requests.begin('honest', 'e'), 'a few failures are no harm');
    requests.failed('honest', 'e');
  }
  t.notOk(requests.begin('honest', 'e'), 'then others are asked first');
  t.ok(requests.begin('other', 'e'));
  requests.done('other', 'e');
  await clock.advance(6000);
  t.ok(requests.begin('honest', 'e'), 'and then it again');
});
