import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { overflow } from './visitor.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** How a page is looked at, so that each differs from the one before in one respect. */
const WAYS = [
  ['light', 1280, 800],
  ['dark', 1280, 800],
  ['dark', 390, 844],
  ['light', 390, 844],
] as const;

/**
 * Examines the open page, light and dark, wide and narrow: axe finds nothing, and nothing is wider than the
 * window. Ends light and wide. The page must not enforce its policy: axe itself does what it forbids.
 */
export async function lookAround(t: Test, page: Page, what: string): Promise<void> {
  if (!(await page.evaluate<boolean>('"axe" in globalThis'))) await page.evaluate(AXE);
  for (const [colorScheme, width, height] of WAYS) {
    const how = `${what}, ${colorScheme}, ${String(width)} wide`;
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    // What follows the size of the window has drawn itself anew.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    t.ok((await overflow(page)) <= 0, `${how}: nothing is wider than the window`);
    t.strictSame(await violations(page), [], `${how}: axe`);
  }
  const [[colorScheme, width, height]] = WAYS;
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height });
}

function violations(page: Page): Promise<readonly string[]> {
  return page.evaluate<readonly string[]>(`axe.run(document, { resultTypes: ['violations'] }).then((result) =>
    result.violations.map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html, any }) => html.slice(0, 200) + ' ' + (any[0]?.message ?? '')).join(' | ')))`);
}
