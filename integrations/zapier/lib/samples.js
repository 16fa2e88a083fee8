'use strict';

// Records as the API shows them.

const sync = { state: 'applied' };
const contactId = 'ocQHyuzHvysMo5N5VsXc';

module.exports = {
  contact: {
    id: contactId,
    name: 'Ada Lovelace',
    firstName: 'Ada',
    lastName: 'Lovelace',
    email: 'ada@example.com',
    phone: '+442071838750',
    companyName: 'Analytical Engines',
    tags: ['lead'],
    customFieldsByKey: { newsletter: 'Yes' },
    recordId: '01a22cf0-eb9e-70e9-b4e2-d2e48287a94a',
    sync,
  },
  task: {
    taskId: 'hxHGVRb1YJUscrCB8eXK',
    clientyTaskId: 't-17',
    contactId,
    title: 'Call Ada',
    body: 'About the offer',
    dueDate: '2026-12-01T09:00:00Z',
    completed: false,
    status: 'open',
    assignedTo: null,
    recordId: '01a22cf0-eb9e-70e9-b4e2-d2e48287a94b',
    sync,
  },
  note: {
    noteId: 'n8xVfKTzXyJQGyHnzX3p',
    clientyNoteId: 'n-4',
    contactId,
    noteText: 'Called, wants an offer',
    createdAt: '2026-11-30T09:00:00Z',
    recordId: '01a22cf0-eb9e-70e9-b4e2-d2e48287a94c',
    sync,
  },
  appointment: {
    appointmentId: '0TkCdp9PfvLeWKYRRvIz',
    clientyAppointmentId: null,
    contactId,
    calendarId: 'BVTAJZRnMDdLcqQSM7ur',
    title: 'Demo',
    status: 'confirmed',
    startTime: '2026-12-01T09:00:00Z',
    endTime: '2026-12-01T09:30:00Z',
    recordId: '01a22cf0-eb9e-70e9-b4e2-d2e48287a94d',
    sync,
  },
};
