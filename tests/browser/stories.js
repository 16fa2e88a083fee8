// From the alarm to mended: each story begins where an operator begins, and gets to the cause in at most three clicks.
import assert from 'node:assert/strict';
import { system, until } from './system.js';

/** Presses the button of an act, and waits for the page that says what was done; its address does not say it for long. */
const acts = async ({ page, button, said }) => {
  const loaded = page.waitForEvent('load');
  await button.click();
  await loaded;
  await page.locator('.flash[data-tone="ok"]').filter({ hasText: said }).waitFor();
};
const named = (within, name) => within.getByRole('button', { name }).first();
const press = (page, name) => named(page.locator('main'), name).click();
const does = (page, name, said) => acts({ page, button: named(page.locator('main'), name), said });

/** The same of an act that asks first, and is answered yes: in a dialog, or without JavaScript on a page of its own. */
const confirmed = async (page, button, name, said) => {
  await button.click();
  await page.locator('dialog[open], main input[name="sure"]').first().waitFor({ state: 'attached' });
  const dialog = page.getByRole('dialog');
  const asks = (await dialog.count()) ? dialog : page.locator('main');
  await acts({ page, button: named(asks, name), said });
};

/** Makes a dead letter of the one cause, and looks at Now until it tells. */
const die = async (contactId) => {
  await system.errors([{ operation: 'POST /contacts/{contactId}/notes', error: 'unprocessable' }]);
  const job = await system.sent('dead', 'note.created', contactId, { clientyNoteId: `note-${Math.random()}`, noteText: 'Call back' });
  await system.errors([]);
  return job;
};

const now = async (page, text) => {
  await until(`Now tells of ${text}`, async () => {
    await page.goto('/ui');
    return (await page.locator('.cases').textContent({ timeout: 500 }).catch(() => '')).includes(text);
  });
};

export const stories = {
  async 'a group of dead letters is found from Now, read, retried and gone'({ page }, [contact]) {
    const job = await die(contact);
    await now(page, 'dead letter');
    await page.getByRole('link', { name: 'Look at the group' }).first().click();
    assert.match(await page.locator('pre').textContent(), /422/);
    await confirmed(page, named(page.locator('main'), 'Retry'), 'Retry', 'tried again');
    await until('the job is done', async () => (await system.job(job)).state === 'done');
    await page.goto('/ui/dead');
    assert.match(await page.locator('main').textContent(), /No dead letters/);
  },

  async 'a dead job is opened, understood and discarded with a word why'({ page }, [contact]) {
    const job = await die(contact);
    await page.goto('/ui/jobs?state=dead');
    await page.locator('tbody a.id').first().click();
    assert.match(await page.locator('.steps').textContent(), /given up/);
    await confirmed(page, named(page.locator('main'), 'Discard'), 'Discard', 'closed for good');
    assert.equal((await system.job(job)).state, 'discarded');
    assert.match(await page.locator('.steps').textContent(), /discarded/);
  },

  async 'GHL refuses the token: Now names the location, and probing it after the mend ends the alarm'({ page }, [contact]) {
    await system.revokeToken(true);
    const { accepted: [{ jobId }] } = await system.send('contact.selected', contact);
    await now(page, 'GHL refuses the token');
    await page.locator('.case .meta a').first().click();
    assert.match(await page.locator('main').textContent(), /circuit open/);
    await system.revokeToken(false);
    await press(page, 'Probe now');
    await until('the job is done', async () => (await system.job(jobId)).state === 'done');
    await until('Now is calm', async () => {
      await page.goto('/ui');
      return !(await page.locator('main').textContent()).includes('refuses the token');
    });
  },

  async 'a location is paused, what waits says why, and it goes on'({ page }, [contact]) {
    await page.goto(`/ui/locations/${system.location}`);
    await does(page, 'Pause', 'is paused');
    const { accepted: [{ jobId }] } = await system.send('contact.selected', contact);
    await page.goto(`/ui/jobs/${jobId}`);
    assert.match(await page.locator('.lead').textContent(), /paused/);
    await now(page, 'is paused');
    await page.locator('.case').filter({ hasText: 'is paused' }).getByRole('button', { name: 'Resume' }).click();
    await until('the job is done', async () => (await system.job(jobId)).state === 'done');
  },

  async 'an import runs to its end before the eyes, and verifying finds both sides equal'({ page, javaScript }) {
    await page.goto(`/ui/locations/${system.location}`);
    await does(page, 'Import', 'has begun');
    const row = (name) => page.locator('[data-part="scans"] tr').filter({ has: page.getByRole('rowheader', { name, exact: true }) });
    const ends = async (name, word) => {
      // With JavaScript the page becomes current by itself.
      await until(`${name} is ${word}`, async () => {
        if (!javaScript) await page.reload();
        return (await row(name).textContent()).includes(word);
      });
    };
    await ends('Import', 'done');
    await does(page, 'Verify', 'has begun');
    await ends('Verify', 'equal');
  },

  async 'a job that has moved on is not decided about, and the page says so'({ page }, [contact]) {
    const job = await die(contact);
    await page.goto(`/ui/jobs/${job}`);
    await system.api('/v1/jobs/discard', { body: { jobs: [job] } });
    await press(page, 'Retry');
    assert.match(await page.locator('h1').textContent(), /It has moved on/);
  },

  async 'what a contact is called is text, from left and from right'({ page }) {
    for (const name of ['<script>alert(1)</script>', 'مركز الشفاء الطبي']) {
      const contact = await system.byHand({ firstName: name });
      await system.sent('done', 'contact.selected', contact);
      await page.goto(`/ui/locations/${system.location}/contacts/${contact}`);
      assert.equal((await page.locator('h1').textContent()).trim(), name);
    }
    await page.goto(`/ui/locations/${system.location}/contacts?q=alert`);
    await page.getByRole('link', { name: '<script>alert(1)</script>' }).first().click();
    assert.match(await page.locator('.sides').textContent(), /agreed/);
  },

  async 'an id finds its page'({ page }, [contact]) {
    const job = await system.sent('done', 'contact.selected', contact);
    for (const [id, path] of [[job, `/ui/jobs/${job}`], [system.location, `/ui/locations/${system.location}`], [contact, `/ui/locations/${system.location}/contacts/${contact}`]]) {
      await page.goto('/ui');
      await page.getByLabel('Find a contact').fill(id);
      await page.keyboard.press('Enter');
      await page.waitForURL(`**${path}`);
    }
  },

  async 'the runbook opens at the section of an alarm'({ page }, [contact]) {
    const job = await die(contact);
    await now(page, 'dead letter');
    await page.getByRole('link', { name: 'Runbook: ClientyDeadJobsGrow' }).first().click();
    await page.waitForURL('**/ui/runbook#clientydeadjobsgrow');
    assert.equal(await page.locator('#clientydeadjobsgrow').count(), 1);
    await system.api('/v1/jobs/discard', { body: { jobs: [job] } });
  },
};

/** Those that need JavaScript, several browsers, or the keyboard alone. */
export const more = {
  async 'a key that is revoked in the middle ends its sessions in two browsers'(chromium) {
    const { CONSOLE_DOOMED_ID: id, CONSOLE_DOOMED: key } = process.env;
    const [one, two] = [await chromium.visitor({ url: system.url, key }), await chromium.visitor({ url: system.url, key })];
    await one.page.goto('/ui/jobs');
    await two.page.goto('/ui');
    const admin = await chromium.visitor({ url: system.url, key: system.key });
    await admin.page.goto('/ui/keys');
    const row = admin.page.locator('tr').filter({ has: admin.page.locator(`[title="${id}"]`) });
    await confirmed(admin.page, named(row, 'Revoke'), 'Revoke', 'is revoked');
    await one.page.reload();
    await one.page.waitForURL('**/ui/sign-in?to=/ui/jobs');
    // The other one hears of it by itself.
    await two.page.getByText('you are signed out').waitFor();
    return [one, two, admin];
  },

  async 'a dead letter is retried by the keyboard alone'(chromium) {
    const [contact] = await system.contacts();
    const job = await die(contact);
    const visitor = await chromium.visitor({ url: system.url });
    const { page } = visitor;
    const focused = () => page.evaluate(() => (document.activeElement.innerText || document.activeElement.value || '').trim());
    const tabTo = async (text) => {
      for (let presses = 0; presses < 80; presses += 1) {
        await page.keyboard.press('Tab');
        if ((await focused()).startsWith(text)) return;
      }
      throw new Error(`no Tab leads to ${text}`);
    };
    await page.goto('/ui/sign-in');
    // The field has the focus by itself.
    await page.locator('#key:focus').waitFor();
    await page.keyboard.type(system.key);
    await page.keyboard.press('Enter');
    await page.waitForURL('**/ui');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to the content');
    await tabTo('Dead letters');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/ui/dead');
    await tabTo('Retry');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    assert.equal(await focused(), 'Keep as it is', 'the safe answer is at hand');
    await page.keyboard.press('Escape');
    assert.match(await focused(), /^Retry/, 'and the focus comes back');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('.flash').filter({ hasText: 'tried again' }).waitFor();
    await until('the job is done', async () => (await system.job(job)).state === 'done');
    return [visitor];
  },

  async 'a page stays current by itself, can be paused, and asks nothing while nobody looks'(chromium) {
    const visitor = await chromium.visitor({ url: system.url, key: system.key });
    const { page } = visitor;
    await page.goto('/ui/jobs');
    const [contact] = await system.contacts();
    const first = await system.sent('done', 'contact.selected', contact);
    await page.locator(`a[title="${first}"]`).waitFor();
    await page.getByRole('button', { name: 'Pause live updates' }).click();
    let asked = 0;
    page.on('request', () => { asked += 1; });
    const second = await system.sent('done', 'contact.selected', contact);
    await page.waitForTimeout(5000);
    assert.equal(asked, 0, 'paused is paused');
    await page.getByRole('button', { name: 'Resume live updates' }).click();
    await page.locator(`a[title="${second}"]`).waitFor();
    return [visitor];
  },

  async 'a reader looks and has no button'(chromium) {
    const visitor = await chromium.visitor({ url: system.url, key: system.reader });
    for (const path of ['/ui', '/ui/jobs', '/ui/dead', `/ui/locations/${system.location}`]) {
      await visitor.page.goto(path);
      assert.equal(await visitor.page.locator('main form[method="post"]').count(), 0, path);
    }
    return [visitor];
  },
};
