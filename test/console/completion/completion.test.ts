import fc from 'fast-check';
import t from 'tap';
import { indexFacts } from '../../../console/completion/fact-index.ts';
import { accept, suggest } from '../../../console/completion/suggest.ts';
import { compileExpression } from '../../../posture/expression.ts';
import { factPaths } from '../../../posture/fact/path.ts';

const index = indexFacts(factPaths().map(({ path, type, doc }) => ({ path, type, description: doc })));
/** What is suggested at `|`, or at the end. */
function at(text: string): readonly string[] {
  const caret = text.includes('|') ? text.indexOf('|') : text.length;
  return suggest(text.replace('|', ''), caret, index)?.items.map(({ label }) => label) ?? [];
}

void t.test('facts, fields, and what macros bind', async (t) => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['kern', ['kernel']],
    ['kernel.lockd', ['lockdown']],
    ['kernel.secureB', ['secureBoot']],
    ['containers.filter(c, c.secc', ['seccomp']],
    ['containers.filter(c, c.seccomp.mo', ['mode']],
    ['containers.filter(c, c.declared.mounts.exists(m, m.prop', ['propagation']],
    ['containers.filter(c, c.uid == 0).map(x, x.image', ['image', 'imageId']],
    ['containers.filter(c, c.uid == 0)[0].declared.readOnlyR', ['readOnlyRoot']],
    ['size(containers[0].seccomp.weak', ['weakest']],
    ['listeners.map(l, {"a": l.probe.certificate.key', ['keyType', 'keyBits']],
    ['sshd.contexts[0].settings["permitrootlogin"].sou', ['source']],
    ['sshd.contexts.all(x, x.settings.permitrootlogin.val', ['values']],
    ['has(docker.api.swa', ['swarm']],
    ['containers.exists_on', ['exists_one']],
    ['kernel.lock| == "none"', ['lockdown']],
  ];
  for (const [text, expected] of cases) {
    const found = at(text);
    t.strictSame(found.slice(0, expected.length), expected, text);
  }
});

void t.test('words that a field can hold, and methods of its type', async (t) => {
  t.strictSame(at('kernel.lockdown == "'), ['none', 'integrity', 'confidentiality']);
  t.strictSame(at("containers.filter(c, c.seccomp.mode != 'dis"), ['disabled']);
  t.ok(at('containers.').includes('filter') && at('containers.').includes('size'));
  t.ok(at('node.name.').includes('startsWith'));
  t.notOk(at('node.cpus.').includes('startsWith'));
});

void t.test('variables are known where they are bound, and nowhere else', async (t) => {
  t.ok(at('containers.filter(box, bo').includes('box'));
  t.notOk(at('containers.filter(box, true) && bo').includes('box'));
  t.strictSame(at('containers.filter(c, c.mounts.exists(c, c.sourc'), ['source'], 'the inner one hides the outer one');
  t.strictSame(at('nothing.filter(c, c.'), [], 'nobody knows what it is');
  t.strictSame(at('containers.map(c, c.uid).filter(u, u.'), [], 'nor what map made');
});

void t.test('where any name could begin, nobody is bothered with all of them', async (t) => {
  t.equal(suggest('', 0, index)?.isWanted, false);
  t.equal(suggest('containers.filter(c, ', 21, index)?.isWanted, false);
  t.equal(suggest('containers.filter(c, c', 22, index)?.isWanted, true);
  t.equal(suggest('kernel.', 7, index)?.isWanted, true);
});

void t.test('nothing is suggested in a text, in a number, or for what is whole', async (t) => {
  for (const text of ['"kern', 'node.name == "kern"', '12', 'kernel.lockdown', 'node.name.contains("ker'])
    t.strictSame(at(text), [], text);
});

void t.test('an accepted suggestion replaces the prefix, and compiles', async (t) => {
  const typed = 'containers.filter(c, c.sec == null)';
  const caret = typed.indexOf(' ==');
  const suggestions = suggest(typed, caret, index);
  const [item] = suggestions?.items ?? [];
  if (suggestions === undefined || item === undefined) throw new Error('no suggestion');
  t.strictSame(accept(typed, caret, suggestions, item), { text: 'containers.filter(c, c.seccomp == null)', caret: 30 });
  t.strictSame(at('containers.map(c, c.declared.mounts.fil'), ['filter']);
  const macro = suggest('containers.fil', 14, index)?.items[0];
  t.equal(macro?.insert, 'filter(c, ');
  t.match(compileExpression(`containers.${macro?.insert ?? ''}c.complete)`), { ok: true });
  const fields = suggest('containers.map(c, c.', 20, index)?.items ?? [];
  t.ok(fields.length > 15);
  for (const { insert } of fields) t.match(compileExpression(`containers.map(c, c.${insert})`), { ok: true }, insert);
});

void t.test('never throws, and suggests only what starts at the caret', async (t) => {
  const piece = fc.constantFrom(
    'containers',
    '.',
    'filter',
    '(',
    ')',
    'c',
    ',',
    ' ',
    '[',
    ']',
    '{',
    '}',
    '"',
    '0',
    '==',
    'é',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.nat({ max: 40 }), (pieces, caret) => {
      const text = pieces.join('');
      const place = Math.min(caret, text.length);
      const found = suggest(text, place, index);
      if (found !== undefined) t.equal(text.slice(found.from, place), found.prefix);
    }),
  );
});
