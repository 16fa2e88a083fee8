#!/usr/bin/env node
// Tests every integration against a gateway and workers that write to the sandbox: `integrations/run-tests.mjs [PROGRAM]`.
// The program is clienty-sync of PATH if none is named. A gateway that runs already is used if CLIENTY_URL, CLIENTY_KEY and
// CLIENTY_LOCATION name it.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const FOLDERS = ['client-ts', 'zapier', 'n8n'];
const program = process.argv[2] ?? 'clienty-sync';
const folder = mkdtempSync(join(tmpdir(), 'clienty-integrations-'));
const children = [];

const start = (args, env) => {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  return child;
};

/** The document that a program prints once it is up. */
const printed = async (child) => {
  let text = '';
  for await (const chunk of child.stdout) {
    text += chunk;
    try {
      return JSON.parse(text);
    } catch {
      // More is to come.
    }
  }
  throw new Error(`${program} ended before it was up: ${text}`);
};

const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
};

/** A gateway with workers, and what the tests have to know of it. */
const gateway = async () => {
  const sandbox = await printed(start(['sandbox', '--port', '0', '--json'], { RUST_LOG: 'off' }));
  const [{ id, token }] = sandbox.locations;
  const url = `http://127.0.0.1:${await freePort()}`;
  const env = {
    CLIENTY_DATA_DIR: folder,
    CLIENTY_LISTEN: new URL(url).host,
    CLIENTY_METRICS_LISTEN: '127.0.0.1:0',
    CLIENTY_MASTER_KEYS: `test:${randomBytes(32).toString('base64')}`,
    GHL_API_URL: sandbox.url,
    // The tests receive hooks on this machine.
    CLIENTY_HOOKS_ALLOW_HTTP: 'on',
    CLIENTY_OUTSIDE_ALLOW_NETS: '127.0.0.0/8',
    RUST_LOG: 'off',
  };
  const run = (args, input = '') => execFileSync(program, args, { env: { ...process.env, ...env }, input });
  run(['migrate']);
  run(['connect', '--location', id, '--pit-file', '-'], token);
  const { key } = JSON.parse(run(['keys', 'create', '--name', 'integrations', '--role', 'admin', '--json']));
  const up = start(['up'], env);
  while (!(await fetch(`${url}/healthz`).catch(() => undefined))?.ok) {
    if (up.exitCode !== null) throw new Error(`${program} up ended with ${up.exitCode}`);
    await sleep(50);
  }
  return { CLIENTY_URL: url, CLIENTY_KEY: key, CLIENTY_LOCATION: id };
};

const npm = (name, args, env) => {
  const cwd = fileURLToPath(new URL(name, import.meta.url));
  return spawnSync('npm', args, { cwd, env: { ...process.env, ...env }, stdio: 'inherit' }).status === 0;
};

try {
  const env = process.env.CLIENTY_URL ? {} : await gateway();
  const failed = FOLDERS.filter((name) => {
    const isInstalled = existsSync(new URL(`${name}/node_modules`, import.meta.url));
    const installed = isInstalled || npm(name, ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
    return !installed || !npm(name, ['test'], env);
  });
  if (failed.length) throw new Error(`failed: ${failed.join(', ')}`);
} finally {
  for (const child of children) child.kill();
  await Promise.all(children.filter(({ exitCode }) => exitCode === null).map((child) => once(child, 'exit')));
  rmSync(folder, { recursive: true });
}
