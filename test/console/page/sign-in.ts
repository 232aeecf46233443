import type { Browser } from 'playwright-core';
import type { Test } from 'tap';
import type { Site } from '../site.ts';
import { openVisitor } from './visitor.ts';

/** Signs in with wrong and right tokens, as a viewer, with a broken session and with a used link, and signs out. */
export async function signInAndOut(t: Test, browser: Browser, site: Site): Promise<void> {
  const { page, close } = await openVisitor(browser, site);
  t.teardown(close);
  await page.goto(`${site.url}/#/query`);
  const field = page.getByLabel('Operator token');
  const send = page.getByRole('button', { name: 'Sign in' });
  await field.fill('not-the-token-of-this-collector-0000000000');
  await send.click();
  await page.getByText('This is not a valid operator token of this collector.').waitFor();
  await field.fill(site.token);
  await send.click();
  await page.getByRole('heading', { level: 1, name: 'Live query' }).waitFor();
  const stored = await page.evaluate<string>('JSON.stringify({ ...localStorage, ...sessionStorage })');
  t.notOk(stored.includes(site.token), 'the operator token is kept nowhere');
  t.match(stored, /expiresMs/);
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Live query' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You signed out.').waitFor();

  const created = await fetch(`${site.url}/v1/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${site.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ role: 'viewer', name: 'reader' }),
  });
  const { token } = (await created.json()) as { token: string };
  await field.fill(token);
  await send.click();
  await page.getByText('reader · viewer').waitFor();
  await page.getByText(/Your role \(viewer\) does not allow this/).waitFor();
  t.equal(await page.getByRole('button', { name: /^Run/ }).isDisabled(), true, 'a viewer runs no query');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You signed out.').waitFor();
  t.equal(await page.evaluate<string | null>('localStorage.getItem("plimsoll.session")'), null);
  // A session that the collector does not accept, as after a change of the token.
  await page.evaluate(`localStorage.setItem('plimsoll.session', '{"token":"x.y.z","expiresMs":9999999999999}')`);
  await page.reload();
  await page.getByText('the collector does not accept it any more').waitFor();
  await page.goto(`${site.url}/#code=${'A'.repeat(32)}`);
  await page.getByText('This sign-in link was used before').waitFor();
  t.notOk(page.url().includes('code='), 'the code is gone from the address');
}
