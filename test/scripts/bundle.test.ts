import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { ROOT, SOURCES } from '../../scripts/setup.mjs';
import { environmentOf, plimsoll, PROGRAM } from '../cli/process.ts';
import type { Run } from '../cli/process.ts';
import { startReceivers, testBuiltProgram } from '../component/built-program.ts';
import { freePort } from '../fixture/free-port.ts';

const DIST = join(ROOT, 'dist');

function parse(file: string): ts.SourceFile {
  const text = readFileSync(join(DIST, file), 'utf8');
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
}

function nodesOf(root: ts.Node): readonly ts.Node[] {
  const nodes: ts.Node[] = [];
  const add = (node: ts.Node): void => {
    nodes.push(node);
    ts.forEachChild(node, add);
  };
  add(root);
  return nodes;
}

/** The names that a pattern takes of a module; of an identifier, those that are read of it anywhere in the file. */
function namesIn(pattern: ts.BindingName, nodes: readonly ts.Node[]): readonly string[] {
  if (ts.isObjectBindingPattern(pattern))
    return pattern.elements.map(({ propertyName, name }) => (propertyName ?? name).getText());
  return nodes.flatMap((node) =>
    ts.isPropertyAccessExpression(node) && node.expression.getText() === pattern.getText() ? [node.name.text] : [],
  );
}

/** The names that the code takes of a module that it imports dynamically; undefined: it passes the module on. */
function namesTaken(call: ts.CallExpression, nodes: readonly ts.Node[]): readonly string[] | undefined {
  let { parent } = call as ts.Node;
  let index: number | undefined;
  if (ts.isArrayLiteralExpression(parent)) {
    index = parent.elements.indexOf(call);
    // Promise.all([…])
    parent = parent.parent.parent;
  }
  if (ts.isAwaitExpression(parent)) ({ parent } = parent);
  if (ts.isParenthesizedExpression(parent)) ({ parent } = parent);
  if (ts.isPropertyAccessExpression(parent)) return [parent.name.text];
  if (!ts.isVariableDeclaration(parent)) return undefined;
  if (index === undefined) return namesIn(parent.name, nodes);
  const element = ts.isArrayBindingPattern(parent.name) ? parent.name.elements[index] : undefined;
  return element !== undefined && ts.isBindingElement(element) ? namesIn(element.name, nodes) : undefined;
}

/** The names that a file of the bundle exports. */
function exportsOf(file: string): readonly string[] {
  return nodesOf(parse(file)).flatMap((node) => {
    if (ts.isExportSpecifier(node)) return [node.name.text];
    return ts.isExportAssignment(node) ? ['default'] : [];
  });
}

void t.test('a change of any folder with code makes a new bundle', (t) => {
  const folders = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const withCode = folders.filter(({ name }) => readdirSync(join(ROOT, name)).some((file) => /\.tsx?$/.test(file)));
  const notBundled = new Set(['bench', 'scripts', 'test']);
  for (const { name } of withCode) if (!notBundled.has(name)) t.ok(SOURCES.includes(name), name);
  t.end();
});

void t.test('what is imported dynamically exports the names that are taken of it', async (t) => {
  // CommonJS packages have other exports in a bundle than in Node.js.
  const passedOn = new Set<string>();
  let count = 0;
  for (const file of readdirSync(DIST).filter((name) => name.endsWith('.js'))) {
    if (!readFileSync(join(DIST, file), 'utf8').includes('import(')) continue;
    const nodes = nodesOf(parse(file));
    for (const node of nodes) {
      if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) continue;
      const [specifier] = node.arguments;
      if (specifier === undefined || !ts.isStringLiteral(specifier)) {
        t.fail(`${file}: ${node.getText()}`);
        continue;
      }
      const names = namesTaken(node, nodes);
      if (names === undefined) passedOn.add(specifier.text);
      const exported = specifier.text.startsWith('./')
        ? exportsOf(specifier.text.slice(2))
        : Object.keys((await import(specifier.text)) as object);
      count += 1;
      t.strictSame(
        names?.filter((name) => !exported.includes(name)) ?? [],
        [],
        `${file} takes ${String(names)} of ${specifier.text}`,
      );
    }
  }
  t.ok(count > 100, `${String(count)} imports`);
  t.strictSame([...passedOn].sort(), ['@peculiar/x509', 'reflect-metadata']);
});

void t.test('the bundle runs: each command, and each sink', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-bundle-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const receivers = await startReceivers(t, directory);
  const api = `127.0.0.1:${String(await freePort())}`;
  const variables = {
    ...receivers.environment,
    PLIMSOLL_SOURCE: '',
    PLIMSOLL_DATA_DIR: join(directory, 'data'),
    PLIMSOLL_API: api,
    HOME: directory,
  };
  const child = spawn(process.execPath, [PROGRAM, 'up', '--listen', '127.0.0.1:0'], {
    env: environmentOf(variables),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  t.teardown(() => {
    child.kill('SIGKILL');
    return closed;
  });
  await new Promise<void>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (/console/i.test(text)) resolve();
    });
    child.once('close', () => reject(new Error(text)));
  });
  const runAll = async (commands: readonly (readonly string[])[]): Promise<readonly Run[]> => {
    const runs: Run[] = [];
    const queue = [...commands.entries()];
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        runs[next[0]] = await plimsoll(next[1], variables);
    };
    await Promise.all([work(), work(), work()]);
    return runs;
  };
  await testBuiltProgram(t, runAll, receivers);
  child.kill('SIGTERM');
  t.equal(await closed, 0);
});
