// The system under test, as the environment names it: a gateway with workers, and the simulated GHL before them, whose faults are made here.
import { setTimeout as sleep } from 'node:timers/promises';

const { CONSOLE_URL: url, CONSOLE_KEY: key, CONSOLE_READER: reader, CONSOLE_LOCATION: location, GHL_URL: ghl, GHL_TOKEN: token } = process.env;

const json = async (address, { method = 'POST', body, headers = {} } = {}) => {
  const answer = await fetch(address, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${address}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
};

const api = (path, options) => json(url + path, { ...options, headers: { authorization: `Bearer ${key}` } });

/** Asks until the answer is yes. */
export const until = async (what, isSo) => {
  for (let asked = 0; asked < Number(process.env.PATIENCE ?? 60_000) / 50; asked += 1) {
    const answer = await isSo();
    if (answer) return answer;
    await sleep(50);
  }
  throw new Error(`waited in vain until ${what}`);
};

const contacts = async () => {
  const { contacts: all } = await json(`${ghl}/contacts/?locationId=${location}&limit=20`, {
    method: 'GET',
    headers: { authorization: `Bearer ${token}`, version: '2021-07-28' },
  });
  return all.map(({ id }) => id);
};

export const system = {
  url,
  key,
  reader,
  location,
  api,
  contacts,
  send: (type, contactId, data = {}) => api('/v1/events', { body: { type, locationId: location, contactId, data } }),
  job: (id) => api(`/v1/jobs/${id}`, { method: 'GET' }),
  /** Answers of GHL's that are errors from now on. */
  errors: (list) => json(`${ghl}/_sandbox/errors`, { body: list }),
  revokeToken: (revoked) => json(`${ghl}/_sandbox/locations/${location}/token`, { body: { revoked } }),
  /** As it was before a story that broke off in the middle. */
  async mend() {
    await this.errors([]);
    await this.revokeToken(false);
    await api(`/v1/locations/${location}/resume`);
  },
  /** A contact that a person makes at GHL's screen. */
  byHand: async (fields) => (await json(`${ghl}/_sandbox/locations/${location}/contacts`, { body: fields })).id,
  /** Sends an event, and waits until its job is in the state. */
  async sent(state, type, contactId, data) {
    const { accepted: [{ jobId }] } = await this.send(type, contactId, data);
    await until(`job ${jobId} is ${state}`, async () => (await this.job(jobId)).state === state);
    return jobId;
  },
};
