// What the sandbox tells of these changes is signed so that the client's own check believes it, and no other bytes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { place, test, withToken } from './sandbox.js';

const location = place(4);
const PATIENCE = 30_000;

const heard = [];
const waiting = new Set();
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  heard.push({ raw: Buffer.concat(chunks), signature: request.headers['x-ghl-signature'] });
  response.end();
  for (const look of waiting) look();
});

/** The first webhook of a type that is about the record. */
function told(type, id) {
  const isIt = ({ raw }) => {
    const body = JSON.parse(raw);
    return body.type === type && body.id === id;
  };
  return new Promise((resolve, reject) => {
    const look = () => {
      const found = heard.find(isIt);
      if (found) {
        waiting.delete(look);
        clearTimeout(timer);
        resolve(found);
      }
    };
    const timer = setTimeout(() => reject(new Error(`no ${type} of ${id} among ${heard.length} webhooks`)), PATIENCE);
    waiting.add(look);
    look();
  });
}

test('webhooks are signed as the client expects', async () => {
  await new Promise((resolve) => server.listen(Number(process.env.WEBHOOK_PORT), '127.0.0.1', resolve));
  try {
    await compareSignatures();
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

async function compareSignatures() {
  const publicKey = readFileSync(process.env.WEBHOOK_KEY_FILE, 'utf8');
  const { contacts, webhooks } = withToken(location);
  const believes = (raw, signature) => webhooks.verifyEd25519Signature(raw, signature, publicKey);

  const { contact } = await contacts.createContact({ locationId: location.id, email: 'told.of@example.com' });
  const at = { contactId: contact.id };
  const { task } = await contacts.createTask(at, { title: 'Call', dueDate: '2035-01-01T09:00:00Z', completed: false });
  await contacts.updateTaskCompleted({ ...at, taskId: task.id }, { completed: true });
  const { note } = await contacts.createNote(at, { body: 'Zoë, naïve & “quoted”' });
  await contacts.deleteContact(at);

  const expected = [
    ['ContactCreate', contact.id],
    ['TaskCreate', task.id],
    ['TaskComplete', task.id],
    ['NoteCreate', note.id],
    ['ContactDelete', contact.id],
  ];
  for (const [type, id] of expected) {
    const { raw, signature } = await told(type, id);
    assert.ok(believes(raw, signature), `${type} is not believed`);
    const other = Buffer.from(raw);
    other[other.length - 2] ^= 1;
    assert.ok(!believes(other, signature), `other bytes than those of ${type} are believed`);
  }
}
