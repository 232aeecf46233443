import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { Site } from '../site.ts';

/** Somebody who looks at the console, and all that went wrong while they did. */
export interface Visitor {
  readonly page: Page;
  /** Violations of the policy, errors of the page, dialogs, and requests to other origins. */
  readonly faults: readonly string[];
  /** Goes to a hash of the page that is open. */
  readonly go: (hash: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Opens a page in a context of its own. Nothing is shown yet. */
export async function openVisitor(browser: Browser, site: Site, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const faults: string[] = [];
  await page.exposeFunction('plimsollFault', (text: string) => void faults.push(text));
  await page.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
    plimsollFault('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))`);
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    // Chromium breaks off requests whenever an interface of the machine comes or goes: containers of other tests do that.
    if (!message.text().includes('net::ERR_NETWORK_CHANGED')) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.stack ?? error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${site.url}/`) && !url.startsWith('data:')) faults.push(`request: ${url}`);
  });
  return {
    page,
    faults,
    go: async (hash) => {
      await page.goto(`${site.url}/${hash}`);
    },
    close: () => context.close(),
  };
}

/** Signs in with a link, and waits for the overview. */
export async function enter(visitor: Visitor, site: Site): Promise<void> {
  await visitor.page.goto(await site.link());
  await visitor.page.getByRole('heading', { level: 1, name: /open|fails|judged/ }).waitFor();
}

/** How far the page is wider than the window, in CSS pixels. */
export async function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}
