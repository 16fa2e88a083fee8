import type { INodeProperties } from 'n8n-workflow';

// What each operation asks for. A property shows where `displayOptions` says.

const text = (displayName: string, name: string, more: Partial<INodeProperties> = {}): INodeProperties => ({
	displayName,
	name,
	type: 'string',
	default: '',
	...more,
});
const time = { type: 'dateTime' } as const;
const long = { typeOptions: { rows: 4 } };
const needed = { required: true };
const tags = { description: 'Separated by commas', placeholder: 'lead, vip' };

const PERSON = [
	text('Assigned To', 'assignedTo', { description: 'ID of a GoHighLevel user' }),
	text('City', 'city'),
	text('Company', 'companyName'),
	text('Country', 'country', { description: 'Two letters, as GB' }),
	text('Custom Fields', 'customFields', { type: 'json', default: '{}', description: 'Values by key' }),
	text('Date of Birth', 'dateOfBirth', { placeholder: '1990-09-25' }),
	text('Email', 'email', { placeholder: 'name@email.com' }),
	text('First Name', 'firstName'),
	text('Last Name', 'lastName'),
	text('Phone', 'phone', { placeholder: '+44 20 7183 8750' }),
	text('Postal Code', 'postalCode'),
	text('Source', 'source'),
	text('State', 'state'),
	text('Street', 'address1'),
	text('Tags', 'tags', tags),
	text('Time Zone', 'timezone', { placeholder: 'Europe/London' }),
	text('Website', 'website'),
];

const contactId = text('Contact ID', 'contactId', {
	...needed,
	description: 'Of GoHighLevel, or the one that Clienty gave the contact',
});
const more = (options: INodeProperties[]): INodeProperties => ({
	displayName: 'Fields',
	name: 'fields',
	type: 'collection',
	placeholder: 'Add Field',
	default: {},
	options,
});

/** The properties of each operation, by resource. */
const ASKED: Record<string, Record<string, INodeProperties[]>> = {
	contact: {
		create: [more(PERSON)],
		find: [
			text('Email', 'email', { placeholder: 'name@email.com' }),
			text('Phone', 'phone', { placeholder: '+44 20 7183 8750' }),
		],
		get: [contactId],
		tag: [contactId, more([text('Tags to Add', 'tags', tags), text('Tags to Remove', 'removeTags', tags)])],
		update: [contactId, more(PERSON)],
	},
	task: {
		create: [
			contactId,
			text('Title', 'title', needed),
			text('Due', 'dueDate', { ...needed, ...time }),
			more([text('Assigned To', 'assignedTo'), text('Description', 'body', long)]),
		],
	},
	note: { create: [contactId, text('Text', 'noteText', { ...needed, ...long })] },
	appointment: {
		create: [
			contactId,
			text('Calendar ID', 'calendarId', needed),
			text('Start', 'startTime', { ...needed, ...time }),
			more([
				text('Assigned To', 'assignedTo'),
				text('End', 'endTime', time),
				text('Notes', 'notes', long),
				text('Place', 'address'),
				text('Title', 'title'),
			]),
		],
	},
	ghl: {
		call: [
			text('Name', 'name', {
				...needed,
				placeholder: 'get-contact',
				description: 'From <code>clienty-sync catalog list</code>',
			}),
			text('Parameters', 'parameters', {
				type: 'json',
				default: '{}',
				description: 'Those of the path and of the query',
			}),
			text('Body', 'body', { type: 'json', default: '' }),
			text('Confirm', 'confirm', {
				type: 'boolean',
				default: false,
				description: 'Whether an operation may be called that must never be repeated: money, messages to people',
			}),
		],
	},
};

const shown = (resource: string, operation: string, properties: INodeProperties[]): INodeProperties[] =>
	properties.map((property) => ({
		...property,
		displayOptions: { show: { resource: [resource], operation: [operation] } },
	}));

export const asked: INodeProperties[] = Object.entries(ASKED).flatMap(([resource, operations]) =>
	Object.entries(operations).flatMap(([operation, properties]) => shown(resource, operation, properties)),
);

/** The names of an operation's properties. */
export const namesOf = (resource: string, operation: string): string[] =>
	ASKED[resource][operation].map(({ name }) => name);
