import { createHash } from 'node:crypto';
import { DateTime } from 'luxon';
import type { IDataObject } from 'n8n-workflow';

/** The event of a resource's operation, and by which field it carries the caller's own id of what it makes. */
export const EVENTS: Record<string, { type: string; ownId?: string }> = {
	'contact.create': { type: 'contact.created', ownId: 'clientyContactId' },
	'contact.update': { type: 'contact.updated' },
	'contact.tag': { type: 'contact.tagged' },
	'task.create': { type: 'task.created', ownId: 'clientyTaskId' },
	'note.create': { type: 'note.created', ownId: 'clientyNoteId' },
	'appointment.create': { type: 'appointment.created', ownId: 'clientyAppointmentId' },
};

/**
 * The id of an event, which the API accepts once: the same where n8n repeats a node of an execution (Retry On Fail), and another
 * for each item and for all that differs.
 */
export const idOf = (...parts: unknown[]): string =>
	`n8n_${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`;

const LISTS = ['tags', 'removeTags'];
const TIMES = ['dueDate', 'startTime', 'endTime'];

/** An event's data of what was filled in: an empty box changes nothing. `zone` is that of the workflow, in which its times are. */
export function dataOf({ fields, ...input }: IDataObject, zone: string): IDataObject {
	const data: IDataObject = {};
	for (const [name, value] of Object.entries({ ...input, ...(fields as IDataObject) })) {
		if (value === '' || value === undefined) continue;
		if (LISTS.includes(name)) data[name] = tagsOf(value as string | string[]);
		else if (TIMES.includes(name)) data[name] = timeOf(value, zone);
		else if (name === 'customFields') data[name] = json(value) as IDataObject;
		else data[name] = value;
	}
	return data;
}

const tagsOf = (value: string | string[]): string[] =>
	(Array.isArray(value) ? value : value.split(',')).map((tag) => tag.trim()).filter(Boolean);

/** What n8n's picker gives has no offset; what an expression gives may be a time of Luxon. */
function timeOf(value: unknown, zone: string): string {
	const time = DateTime.isDateTime(value)
		? value
		: DateTime.fromISO(String(value).trim().replace(' ', 'T'), { zone, setZone: true });
	// What is no time is left to the API, which names its field.
	return time.toISO() ?? String(value);
}

/** What a box for JSON holds. */
export const json = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value);
