// Makes the pictures of the console in docs/images anew: `node scripts/screenshots.ts`. The data is real: this machine,
// a Docker daemon of its own with a few containers (PLIMSOLL_TEST_DOCKER names another one), a collector and an agent,
// whose clock runs through a week while containers come and go. Needs root, Docker and Chromium.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { systemClock } from '../service/clock.ts';
import { launchChromium } from '../test/component/chromium.ts';
import { startSite } from '../test/console/site.ts';
import type { Site } from '../test/console/site.ts';
import { startDockerd, TEST_IMAGE } from './dockerd.mjs';

const IMAGES = join(import.meta.dirname, '..', 'docs', 'images');
const PROGRAM = join(import.meta.dirname, '..', 'bin', 'plimsoll.js');
/** So that nobody waits for a page of the documentation. */
const MAX_BYTES = 200_000;
const DAY_MS = 86_400_000;
/** How long the agent has to see a change. */
const SETTLE_MS = 1500;

interface Scope {
  readonly teardown: (run: () => unknown) => void;
}

type Docker = (...args: readonly string[]) => Promise<string>;

const SLEEP = [TEST_IMAGE, '/bin/sleep', '36000'] as const;
const CAREFUL =
  '--read-only --cap-drop ALL --user 1000:1000 --memory 256m --pids-limit 200 --security-opt no-new-privileges'.split(
    ' ',
  );

/** What comes and goes, and on which day before today. */
const STORY: readonly (readonly [daysAgo: number, ...args: string[]])[] = [
  [6.5, 'run', '-d', '--name', 'shop-web', ...SLEEP],
  [6.1, 'run', '-d', '--name', 'legacy-cron', '--privileged', '--pid', 'host', ...SLEEP],
  [5.2, 'run', '-d', '--name', 'metrics', '--network', 'host', '--cap-add', 'NET_ADMIN', ...SLEEP],
  [4.6, 'run', '-d', '--name', 'debug-1', '--security-opt', 'seccomp=unconfined', ...SLEEP],
  [3.9, 'rm', '-f', 'legacy-cron'],
  [3.1, 'rm', '-f', 'debug-1'],
  [2.2, 'run', '-d', '--name', 'build-runner', '--privileged', ...SLEEP],
  [1.4, 'run', '-d', '--name', 'shop-db', ...CAREFUL, ...SLEEP],
  [0.6, 'run', '-d', '--name', 'shop-api', ...SLEEP],
  // A process that is more powerful than the container was declared to be: what only the kernel shows.
  [0.2, 'exec', '-d', '--privileged', 'shop-api', '/bin/sleep', '36000'],
  [0, 'run', '-d', '--name', 'shop-mail', '--cap-add', 'SYS_PTRACE', ...SLEEP],
];

const endings: (() => unknown)[] = [];
try {
  await main({ teardown: (run) => void endings.push(run) });
} finally {
  for (const end of endings.toReversed()) await end();
}

async function main(scope: Scope): Promise<void> {
  const socket = process.env['PLIMSOLL_TEST_DOCKER'] ?? (await ownDocker(scope));
  const docker: Docker = async (...args) => {
    const { stdout } = await promisify(execFile)('docker', ['-H', `unix://${socket}`, ...args], { timeout: 60_000 });
    return stdout.trim();
  };
  scope.teardown(() => docker('rm', '-f', ...new Set(STORY.flatMap((args) => nameIn(args)))).catch(() => undefined));
  let daysAgo = 7;
  const clock = { ...systemClock(), now: () => Date.now() - daysAgo * DAY_MS };
  const site = await startSite(scope, { seed: false, clock });
  const nodeId = await startAgent(site, `unix://${socket}`, scope);
  for (const [day, ...args] of STORY) {
    daysAgo = day;
    await docker(...args);
    await sleep(SETTLE_MS);
  }
  await photograph(site, nodeId, scope);
}

/** An agent in a process of its own, so that what the page says of its memory is true. Resolves to the id of its node. */
async function startAgent(site: Site, dockerHost: string, scope: Scope): Promise<string> {
  const flags = ['--data-dir', site.dataDir, '--collector', site.collector, '--docker-host', dockerHost];
  const agent = spawn(process.execPath, [PROGRAM, 'agent', ...flags], { stdio: 'ignore' });
  const over = once(agent, 'exit');
  scope.teardown(async () => {
    agent.kill('SIGTERM');
    await over;
  });
  for (let waited = 0; waited < 20_000; waited += 200) {
    const response = await fetch(`${site.url}/v1/nodes`, { headers: { authorization: `Bearer ${site.token}` } });
    const { nodes } = (await response.json()) as {
      nodes: readonly { readonly id: string; readonly containerCount: number }[];
    };
    const [node] = nodes;
    if (node !== undefined) return node.id;
    await sleep(200);
  }
  throw new Error('the agent did not connect');
}

async function ownDocker(scope: Scope): Promise<string> {
  const started = await startDockerd();
  const { socket, stop } = started;
  if (socket === undefined || stop === undefined) throw new Error(started.reason);
  scope.teardown(stop);
  return socket;
}

function nameIn(args: readonly (string | number)[]): readonly string[] {
  const place = args.indexOf('--name');
  return place === -1 ? [] : [String(args[place + 1])];
}

async function photograph(site: Site, nodeId: string, scope: Scope): Promise<void> {
  const browser = await launchChromium();
  scope.teardown(() => browser.close());
  const open = async (width: number, height: number, colorScheme: 'light' | 'dark'): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto(await site.link());
    await page.locator('.plot canvas').waitFor();
    await page.locator('.live-live').waitFor();
    return page;
  };
  const overview = await open(1280, 860, 'light');
  await overview.getByRole('button', { name: '7 d' }).click();
  await overview.getByText('last 7 d').waitFor();
  await sleep(SETTLE_MS);
  await save(overview, 'console-overview.png');

  const node = await open(1280, 1040, 'dark');
  await node.goto(`${site.url}/#/nodes/${nodeId}`);
  await node.locator('.settings').waitFor();
  await node.locator('.row-link').first().waitFor();
  // The id of a machine is nobody's business, nor is where a daemon for pictures keeps its files.
  await node.locator('.facts bdi').evaluateAll((values: readonly { textContent: string }[]) => {
    for (const value of values) if (value.textContent.includes('/tmp/')) value.textContent = '…';
  });
  await node.getByText(nodeId, { exact: true }).evaluate((id: { textContent: string }) => (id.textContent = '…'));
  await sleep(SETTLE_MS);
  await save(node, 'console-node.png');

  const findings = await open(390, 844, 'light');
  await findings.goto(`${site.url}/#/findings?verdict=fail`);
  await findings.locator('.row-link').first().waitFor();
  await sleep(SETTLE_MS);
  await save(findings, 'console-findings.png');
}

async function save(page: Page, name: string): Promise<void> {
  const path = join(IMAGES, name);
  await page.screenshot({ path });
  const { size } = statSync(path);
  process.stdout.write(`${name} ${String(size)} bytes\n`);
  if (size > MAX_BYTES) throw new Error(`${name} has more than ${String(MAX_BYTES)} bytes`);
}
