import t from 'tap';
import { imageCurrent } from '../../../../posture/check/container/image-current.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { imageFact } from '../../../fixture/facts.ts';
import { judgeContainers } from '../../../fixture/verdict-table.ts';

const tagged = (...tags: readonly string[]) => ({ images: seen([imageFact({ tags })], 'GET /images/json') });

judgeContainers(t, imageCurrent, [
  { name: 'the tag is still at this image', verdict: 'pass', seen: ['shop/worker:1.4', 'shop/worker:1.4'] },
  {
    name: 'the tag moved on',
    facts: tagged(),
    verdict: 'fail',
    seen: ['none', 'shop/worker:1.4'],
  },
  {
    name: 'the default registry need not be named',
    container: { image: 'docker.io/library/nginx:1.27' },
    facts: tagged('nginx:1.27'),
    verdict: 'pass',
  },
  {
    name: 'a registry with a port has no tag',
    container: { image: 'registry.example:5000/shop' },
    facts: tagged('registry.example:5000/shop:latest'),
    verdict: 'fail',
  },
  {
    name: 'latest',
    container: { image: 'nginx:latest' },
    facts: tagged('nginx:latest'),
    verdict: 'fail',
    seen: ['nginx:latest'],
  },
  { name: 'no tag', container: { image: 'nginx' }, facts: tagged('nginx:latest'), verdict: 'fail' },
  {
    name: 'by digest',
    container: { image: `nginx@sha256:${'a'.repeat(64)}` },
    facts: tagged(),
    verdict: 'pass',
  },
  { name: 'by id', container: { image: 'ad213b78733c' }, facts: tagged(), verdict: 'pass' },
  {
    name: 'by the whole id',
    container: { image: 'sha256:ad213b78733cd9cdc46f1398ec4117a5c144ab6386b938b0fe61286b2983e81e' },
    facts: tagged(),
    verdict: 'pass',
  },
  {
    name: 'a name that looks like an id',
    container: { image: 'deadbeefcafe' },
    facts: tagged('deadbeefcafe:latest'),
    verdict: 'fail',
  },
  {
    name: 'a tag that looks like an id',
    container: { image: 'sha256:deadbeefcafe' },
    facts: tagged(),
    verdict: 'fail',
    seen: ['none', 'sha256:deadbeefcafe'],
  },
  {
    name: 'images not readable',
    facts: { images: unreadable('GET /images/json', 'no answer within 5 s') },
    verdict: 'unknown',
    reason: /no answer/,
  },
  { name: 'this image was not read', facts: { images: seen([], 'GET /images/json') }, verdict: 'unknown' },
]);
