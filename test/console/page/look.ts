import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { overflow } from './visitor.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Colour scheme, width and height of two looks, which differ in each, and of the two others. */
const LOOKS = [
  [
    ['light', 1280, 800],
    ['dark', 390, 844],
  ],
  [
    ['dark', 1280, 800],
    ['light', 390, 844],
  ],
] as const;
let count = 0;

/**
 * Examines the open page, once wide and once narrow, once light and once dark: axe finds nothing, and nothing is wider
 * than the window. What is dark changes from call to call, so parts that pages share get all four combinations; all four
 * of each page would take a minute more, most of it for the contrast of the same colours. Ends light and wide. The page
 * must not enforce its policy: axe itself does what it forbids.
 */
export async function lookAround(t: Test, page: Page, what: string): Promise<void> {
  if (!(await page.evaluate<boolean>('"axe" in globalThis'))) await page.evaluate(AXE);
  for (const [colorScheme, width, height] of LOOKS[count % 2 === 0 ? 0 : 1]) {
    const how = `${what}, ${colorScheme}, ${String(width)} wide`;
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    // What follows the size of the window has drawn itself anew.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    t.ok((await overflow(page)) <= 0, `${how}: nothing is wider than the window`);
    t.strictSame(await violations(page), [], `${how}: axe`);
  }
  count += 1;
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 800 });
}

function violations(page: Page): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(`axe.run(document, { resultTypes: ['violations'] }).then((result) =>
    result.violations.map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html, any }) => html.slice(0, 200) + ' ' + (any[0]?.message ?? '')).join(' | ')))`);
}
