// A browser as people have it, in which nothing may go wrong unseen: a page that breaks its own policy, throws or loses a request fails the run.
import { mkdtempSync, rmSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env.CONSOLE_SHOTS;
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Wide and light, wide and dark, as narrow as a phone. */
export const LOOKS = {
  light: { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  dark: { viewport: { width: 1440, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: 'light' },
};

export const openChromium = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clienty-chromium-'));
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const chromium_ = await chromium.launch({ executablePath, args: ARGS, headless: true });
  return {
    /** Somebody's browser, signed in with the key if there is one. */
    async visitor({ url, key, look = LOOKS.light, javaScriptEnabled = true }) {
      const context = await chromium_.newContext({ ...look, javaScriptEnabled, baseURL: url, reducedMotion: 'reduce' });
      const page = await context.newPage();
      const faults = [];
      page.on('pageerror', (error) => faults.push(`threw ${error}`));
      page.on('dialog', (dialog) => faults.push(`alerts ${dialog.message()}`));
      page.on('console', (message) => {
        // An answer of 4xx that a story asks for is told as an error as well.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text());
      });
      page.setDefaultTimeout(Number(process.env.PATIENCE ?? 60_000));
      const visitor = { context, page, faults };
      if (key) await signIn(visitor, key);
      return visitor;
    },
    async close() {
      await chromium_.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

export const signIn = async ({ page }, key) => {
  await page.goto('/ui/sign-in');
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/ui');
};

/** What axe finds wrong with the page. */
export const violations = async ({ page }) => {
  // Not by a script tag, which the page's policy refuses.
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).slice(0, 3).join(' | ')}`);
};

/** Whether something sticks out at the right. */
export const sticksOut = ({ page }) => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

/** A picture to look at, where CONSOLE_SHOTS names a folder. */
export const shoot = async ({ page }, name) => {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
};
