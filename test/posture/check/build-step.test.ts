import * as fc from 'fast-check';
import t from 'tap';
import { commandsOf, instructionOf, plainStep } from '../../../posture/check/build-step.ts';

// Texts as `docker history --no-trunc` prints them, of the old builder and of BuildKit.
t.equal(instructionOf('/bin/sh -c #(nop)  CMD ["bash"]'), 'CMD');
t.equal(instructionOf('/bin/sh -c #(nop) ADD file:0a1b in / '), 'ADD');
t.equal(instructionOf('/bin/sh -c apt-get update'), 'RUN');
t.equal(instructionOf('|1 A=b /bin/sh -c apt-get update'), 'RUN');
t.equal(instructionOf('RUN /bin/sh -c apt-get update # buildkit'), 'RUN');
t.equal(instructionOf('COPY app /app # buildkit'), 'COPY');
t.equal(instructionOf(''), '');

t.equal(plainStep('/bin/sh -c #(nop) ADD file:0a1b in / '), 'ADD file:0a1b in /');
t.equal(plainStep('COPY app /app # buildkit'), 'COPY app /app');

t.strictSame(commandsOf('/bin/sh -c set -eux; A=b apt-get update && (cd /x; make)'), [
  ['set', '-eux'],
  ['apt-get', 'update'],
  ['cd', '/x'],
  ['make'],
]);
t.strictSame(commandsOf('COPY apt-get update'), []);

void t.test('never throws', (t) => {
  const part = fc.constantFrom(
    'RUN ',
    '/bin/sh -c ',
    '#(nop) ',
    '|1 A=b ',
    ';',
    '&&',
    '-c ',
    'apt-get ',
    '\n',
    '"',
    '$(',
  );
  const text = fc.array(fc.oneof(part, fc.string())).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (step) => {
      plainStep(step);
      return commandsOf(step).every((command) => command.length > 0) && instructionOf(step) !== undefined;
    }),
  );
  t.end();
});
