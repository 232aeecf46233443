import t from 'tap';
import { addInstruction } from '../../../../posture/check/image/add-instruction.ts';
import { seen, unreadable } from '../../../../posture/observed.ts';
import { judgeImages } from '../../../fixture/verdict-table.ts';

const source = 'GET /images/sha256:ad213b78733c/history';
const steps = (...history: readonly string[]) => ({ history: seen(history, source) });
const base = '/bin/sh -c #(nop) ADD file:6ba3e1e8b3cb6f2f5ba2e3bd4de1bd4ecf3c1f2a in / ';

judgeImages(t, addInstruction, [
  { name: 'imported', verdict: 'notApplicable' },
  { name: 'not readable', image: { history: unreadable(source, 'no answer within 5 s') }, verdict: 'unknown' },
  { name: 'the base file system', image: steps(base, '/bin/sh -c #(nop)  CMD ["bash"]'), verdict: 'pass' },
  {
    name: 'the base file system of BuildKit',
    image: steps('ADD rootfs.tar.xz / # buildkit', 'CMD ["sh"]'),
    verdict: 'pass',
  },
  { name: 'stacked base file systems', image: steps(base, '/bin/sh -c #(nop)  LABEL a=b', base), verdict: 'pass' },
  { name: 'COPY', image: steps(base, 'COPY app /app # buildkit'), verdict: 'pass' },
  {
    name: 'ADD of a file',
    image: steps(base, '/bin/sh -c #(nop) ADD file:0a1b in /app/ '),
    verdict: 'fail',
    seen: ['ADD file:0a1b in /app/'],
  },
  {
    name: 'ADD from the network',
    image: steps('ADD https://shop.example/app.tar.gz / # buildkit'),
    verdict: 'fail',
    seen: ['ADD https://shop.example/app.tar.gz /'],
  },
  {
    name: 'ADD from the network with a checksum',
    image: steps(base, `ADD --checksum=sha256:${'0a'.repeat(32)} https://shop.example/app.tar.gz /app/ # buildkit`),
    verdict: 'pass',
  },
  {
    name: 'a checksum that is none',
    image: steps(base, 'ADD --checksum=sha256: https://shop.example/app.tar.gz /app/ # buildkit'),
    verdict: 'fail',
  },
  {
    name: 'a checksum in the name of the destination',
    image: steps(base, `ADD https://shop.example/app --checksum=sha256:${'0a'.repeat(32)}/ # buildkit`),
    verdict: 'fail',
  },
  {
    name: 'an archive over a finished image',
    image: steps(base, 'RUN /bin/sh -c apk add curl # buildkit', 'ADD app.tar / # buildkit'),
    verdict: 'fail',
    seen: ['ADD app.tar /'],
  },
  { name: 'useradd is no ADD', image: steps(base, 'RUN /bin/sh -c useradd ADD # buildkit'), verdict: 'pass' },
]);
