#!/usr/bin/env node
// The console in a real browser, against the system that the environment names (see system.js). `cargo test --test it browser` starts one.
import assert from 'node:assert/strict';
import { LOOKS, openChromium, shoot, sticksOut, violations } from './browser.js';
import { more, stories } from './stories.js';
import { system } from './system.js';

const only = process.env.STORY;
const chromium = await openChromium();
let failed = 0;

const told = async (name, story) => {
  if (only && !name.includes(only)) return;
  try {
    const visitors = await story();
    for (const { faults, context } of visitors) {
      assert.deepEqual(faults, [], 'no page throws, alerts or breaks its policy');
      await context.close();
    }
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
    await system.mend();
  }
};

const contacts = await system.contacts();
for (const contact of contacts.slice(0, 5)) await system.sent('done', 'contact.selected', contact);

for (const javaScriptEnabled of [true, false]) {
  for (const [name, story] of Object.entries(stories)) {
    await told(`${name}${javaScriptEnabled ? '' : ', without JavaScript'}`, async () => {
      const visitor = await chromium.visitor({ url: system.url, key: system.key, javaScriptEnabled });
      await story({ ...visitor, javaScript: javaScriptEnabled }, contacts);
      return [visitor];
    });
  }
}
for (const [name, story] of Object.entries(more)) await told(name, () => story(chromium));

// Every page in every look, with something on it.
await system.errors([{ operation: 'POST /contacts/{contactId}/notes', error: 'unprocessable' }]);
const dead = await system.sent('dead', 'note.created', contacts[0], { clientyNoteId: 'last', noteText: 'x' });
await system.errors([]);
const pages = {
  now: '/ui', locations: '/ui/locations', location: `/ui/locations/${system.location}`, jobs: '/ui/jobs', job: `/ui/jobs/${dead}`,
  dead: '/ui/dead', contacts: `/ui/locations/${system.location}/contacts`, contact: `/ui/locations/${system.location}/contacts/${contacts[0]}`,
  conflicts: '/ui/conflicts', flows: '/ui/flows', hooks: '/ui/hooks', keys: '/ui/keys', audit: '/ui/audit', settings: '/ui/settings',
  processes: '/ui/processes', runbook: '/ui/runbook', missing: '/ui/jobs/none', 'sign-in': '/ui/sign-in',
};
for (const [look, settings] of Object.entries(LOOKS)) {
  await told(`axe finds nothing, and nothing sticks out: ${look}`, async () => {
    const visitor = await chromium.visitor({ url: system.url, key: system.key, look: settings });
    const wrong = [];
    for (const [name, path] of Object.entries(pages)) {
      await visitor.page.goto(path);
      wrong.push(...(await violations(visitor)).map((found) => `${path}: ${found}`));
      if (await sticksOut(visitor)) wrong.push(`${path} sticks out`);
      await shoot(visitor, `${name}-${look}`);
    }
    assert.deepEqual(wrong, []);
    return [visitor];
  });
}

await chromium.close();
process.exitCode = failed ? 1 : 0;
