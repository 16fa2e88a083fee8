// The tasks and notes of a contact, each from its creation to its end.

import assert from 'node:assert/strict';

import { place, test, withToken } from './sandbox.js';

const location = place(2);
const { contacts, locations } = withToken(location);

/** A test with a new contact. */
function withContact(name, body) {
  test(name, async () => {
    const { contact } = await contacts.createContact({ locationId: location.id, email: 'with.tasks@example.com' });
    const at = { contactId: contact.id };
    await body(at);
    await contacts.deleteContact(at);
  });
}

withContact('a task is created, changed, completed, found and deleted', async (at) => {
  const due = '2035-01-01T09:00:00Z';
  const { task: created } = await contacts.createTask(at, { title: 'Call', dueDate: due, completed: false });
  const one = { ...at, taskId: created.id };
  assert.equal(new Date(created.dueDate).getTime(), new Date(due).getTime());
  const { task: updated } = await contacts.updateTask(one, { title: 'Ask about the engine', body: 'its price' });
  assert.deepEqual([updated.title, updated.body, updated.completed], ['Ask about the engine', 'its price', false]);
  assert.equal((await contacts.updateTaskCompleted(one, { completed: true })).task.completed, true);
  assert.equal((await contacts.getTask(one)).task.completed, true);
  assert.deepEqual((await contacts.getAllTasks(at)).tasks.map(({ id }) => id), [created.id]);
  const { tasks } = await locations.taskSearch({ locationId: location.id }, { query: 'about the engine', completed: true });
  assert.deepEqual(tasks.map(({ id, contactId }) => [id, contactId]), [[created.id, at.contactId]]);
  assert.equal((await contacts.deleteTask(one)).succeded, true);
  await assert.rejects(contacts.getTask(one), ({ statusCode }) => [400, 404].includes(statusCode));
});

withContact('milliseconds of a due date fail on an update, as they do at GHL', async (at) => {
  const { task } = await contacts.createTask(at, { title: 'Call', dueDate: '2035-01-01T09:00:00Z', completed: false });
  const one = { ...at, taskId: task.id };
  await assert.rejects(contacts.updateTask(one, { dueDate: '2035-01-01T09:00:00.000Z' }), { statusCode: 422 });
  await contacts.deleteTask(one);
});

withContact('a note is created, changed and deleted', async (at) => {
  const { note: created } = await contacts.createNote(at, { body: 'Wrote the first program' });
  const one = { ...at, id: created.id };
  assert.equal((await contacts.updateNote(one, { body: 'Wrote more' })).note.body, 'Wrote more');
  assert.equal((await contacts.getNote(one)).note.body, 'Wrote more');
  assert.deepEqual((await contacts.getAllNotes(at)).notes.map(({ id }) => id), [created.id]);
  assert.equal((await contacts.deleteNote(one)).succeded, true);
  await assert.rejects(contacts.getNote(one), ({ statusCode }) => [400, 404].includes(statusCode));
});
