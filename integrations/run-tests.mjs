#!/usr/bin/env node
// Tests every integration against a demo: `integrations/run-tests.mjs [PROGRAM]`. The program is clienty-sync of PATH if none
// is named; one that runs already is used where CLIENTY_URL, CLIENTY_KEY and CLIENTY_LOCATION name it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDERS = ['client-ts', 'zapier', 'n8n'];
const DEMO = {
  CLIENTY_LISTEN: '127.0.0.1:0',
  CLIENTY_METRICS_LISTEN: '127.0.0.1:0',
  // The tests receive hooks on this machine.
  CLIENTY_HOOKS_ALLOW_HTTP: 'on',
  CLIENTY_OUTSIDE_ALLOW_NETS: '127.0.0.0/8',
};

const program = process.argv[2] ?? 'clienty-sync';

/** What a demo prints once it is up. */
const started = (demo) =>
  new Promise((resolve, reject) => {
    let text = '';
    demo.on('error', reject);
    demo.on('exit', (code) => reject(new Error(`the demo ended with ${code}`)));
    demo.stdout.on('data', (chunk) => {
      text += chunk;
      try {
        resolve(JSON.parse(text));
      } catch {
        // More is to come.
      }
    });
  });

const npm = (folder, args, env) => {
  const cwd = fileURLToPath(new URL(folder, import.meta.url));
  return spawnSync('npm', args, { cwd, env: { ...process.env, ...env }, stdio: 'inherit' }).status === 0;
};

let demo;
const env = {};
if (!process.env.CLIENTY_URL) {
  demo = spawn(program, ['demo', '--json'], { env: { ...process.env, ...DEMO }, stdio: ['ignore', 'pipe', 'inherit'] });
  const { url, apiKey, locationId } = await started(demo);
  Object.assign(env, { CLIENTY_URL: url, CLIENTY_KEY: apiKey, CLIENTY_LOCATION: locationId });
}
const failed = FOLDERS.filter((folder) => {
  const isInstalled = existsSync(new URL(`${folder}/node_modules`, import.meta.url));
  const installed = isInstalled || npm(folder, ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  return !installed || !npm(folder, ['test'], env);
});
demo?.removeAllListeners('exit').kill();
if (failed.length) console.error(`failed: ${failed.join(', ')}`);
process.exitCode = failed.length ? 1 : 0;
