import type {
	IDataObject,
	IExecuteFunctions,
	INodeExecutionData,
	INodeType,
	INodeTypeDescription,
	NodeApiError,
} from 'n8n-workflow';
import { NodeConnectionTypes, NodeOperationError } from 'n8n-workflow';
import { ask, locations, path } from './api';
import { dataOf, EVENTS, idOf, json } from './events';
import { outcome } from './outcome';
import { asked, namesOf } from './properties';

export class ClientySync implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Clienty Sync',
		name: 'clientySync',
		icon: { light: 'file:../../icons/clienty-sync.light.svg', dark: 'file:../../icons/clienty-sync.dark.svg' },
		group: ['transform'],
		version: 1,
		subtitle: '={{$parameter["resource"] + ": " + $parameter["operation"]}}',
		description: 'Write to Clienty and GoHighLevel, and read what both know',
		defaults: { name: 'Clienty Sync' },
		usableAsTool: true,
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'clientySyncApi', required: true }],
		properties: [
			{
				displayName: 'Location Name or ID',
				name: 'locationId',
				type: 'options',
				typeOptions: { loadOptionsMethod: 'locations' },
				required: true,
				default: '',
				description:
					'Choose from the list, or specify an ID using an <a href="https://docs.n8n.io/code/expressions/">expression</a>',
			},
			{
				displayName: 'Resource',
				name: 'resource',
				type: 'options',
				noDataExpression: true,
				default: 'contact',
				options: [
					{ name: 'Appointment', value: 'appointment' },
					{ name: 'Contact', value: 'contact' },
					{ name: 'GoHighLevel Operation', value: 'ghl' },
					{ name: 'Note', value: 'note' },
					{ name: 'Task', value: 'task' },
				],
			},
			{
				displayName: 'Operation',
				name: 'operation',
				type: 'options',
				noDataExpression: true,
				default: 'create',
				displayOptions: { show: { resource: ['contact'] } },
				options: [
					{ name: 'Add or Remove Tags', value: 'tag', action: 'Add or remove tags of a contact' },
					{ name: 'Create', value: 'create', action: 'Create a contact' },
					{ name: 'Find', value: 'find', action: 'Find a contact' },
					{ name: 'Get', value: 'get', action: 'Get a contact' },
					{ name: 'Update', value: 'update', action: 'Update a contact' },
				],
			},
			{
				displayName: 'Operation',
				name: 'operation',
				type: 'options',
				noDataExpression: true,
				default: 'create',
				displayOptions: { show: { resource: ['task', 'note', 'appointment'] } },
				options: [{ name: 'Create', value: 'create', action: 'Create for a contact' }],
			},
			{
				displayName: 'Operation',
				name: 'operation',
				type: 'options',
				noDataExpression: true,
				default: 'call',
				displayOptions: { show: { resource: ['ghl'] } },
				options: [{ name: 'Call', value: 'call', action: 'Call any operation' }],
			},
			...asked,
		],
	};

	methods = { loadOptions: { locations } };

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		const made: INodeExecutionData[] = [];
		for (let item = 0; item < this.getInputData().length; item++) {
			try {
				for (const json of await run(this, item)) made.push({ json, pairedItem: { item } });
			} catch (error) {
				if (this.continueOnFail()) {
					made.push({ json: { error: (error as Error).message }, pairedItem: { item } });
					continue;
				}
				const description = (error as NodeApiError).description ?? undefined;
				throw new NodeOperationError(this.getNode(), error as Error, { itemIndex: item, description });
			}
		}
		return [made];
	}
}

async function run(context: IExecuteFunctions, item: number): Promise<IDataObject[]> {
	const of = (name: string) => context.getNodeParameter(name, item) as string;
	const [resource, operation, locationId] = [of('resource'), of('operation'), of('locationId')];
	const input: IDataObject = {};
	for (const name of namesOf(resource, operation)) input[name] = context.getNodeParameter(name, item) as IDataObject;
	const once = (...parts: unknown[]) =>
		idOf(context.getWorkflow().id, context.getExecutionId(), context.getNode().id, item, ...parts);
	switch (`${resource}.${operation}`) {
		case 'contact.get':
			return [await view(context, locationId, input.contactId as string)];
		case 'contact.find':
			return await find(context, item, locationId, input);
		case 'ghl.call': {
			const parameters = json(input.parameters) as IDataObject;
			const call: IDataObject = { locationId, parameters, confirm: input.confirm };
			if (input.body !== '') call.body = json(input.body) as IDataObject;
			return [await callOperation(context, item, input.name as string, { id: once(input.name, call), ...call })];
		}
		default:
			return [await send(context, item, { resource, operation, locationId, input, once })];
	}
}

interface Sent {
	resource: string;
	operation: string;
	locationId: string;
	input: IDataObject;
	once: (...parts: unknown[]) => string;
}

/** Sends an event, waits for GHL, and gives the record as it is then. */
async function send(context: IExecuteFunctions, item: number, sent: Sent): Promise<IDataObject> {
	const { resource, operation, locationId, input, once } = sent;
	const { type, ownId } = EVENTS[`${resource}.${operation}`];
	const { contactId, ...rest } = input;
	const data = dataOf(rest, context.getTimezone());
	const id = once(type, locationId, contactId, data);
	if (ownId) data[ownId] = id;
	const event: IDataObject = { id, type, locationId, data };
	if (contactId) event.contactId = contactId;
	const { data: answer } = await ask(context, '/v1/events', { method: 'POST', body: event });
	const [{ jobId }] = answer.accepted as Array<{ jobId: string }>;
	const job = await outcome(context, jobId, item);
	const record = await written(context, locationId, (contactId ?? id) as string, resource, ownId, id);
	return { ...record, jobId, state: job.state, outcome: job.outcome, unapplied: job.unapplied };
}

/** The record that an event wrote; nothing of it if the key may not read people. */
async function written(
	context: IExecuteFunctions,
	locationId: string,
	contactId: string,
	resource: string,
	ownId: string | undefined,
	id: string,
): Promise<IDataObject> {
	const url = path`/v1/locations/${locationId}/contacts/${contactId}`;
	const { status, data } = await ask(context, url, { also: [403, 404] });
	if (status !== 200) return { contactId };
	if (resource === 'contact') return data.contact as IDataObject;
	const records = data[`${resource}s`] as IDataObject[];
	return records.find((record) => ownId && record[ownId] === id) ?? { contactId };
}

/** The unified view of a contact. */
async function view(context: IExecuteFunctions, locationId: string, contactId: string): Promise<IDataObject> {
	return (await ask(context, path`/v1/locations/${locationId}/contacts/${contactId}`)).data;
}

const FEWEST_DIGITS = 6;

/** The digits that all ways to write a number share: `+44 (0)20 7183`, `0044 20 7183` and `020 7183` end alike. */
const digits = (phone: unknown): string =>
	String(phone ?? '')
		.replace('(0)', '')
		.replace(/\D/g, '')
		.replace(/^0+/, '');

async function find(
	context: IExecuteFunctions,
	itemIndex: number,
	locationId: string,
	input: IDataObject,
): Promise<IDataObject[]> {
	const email = String(input.email ?? '')
		.trim()
		.toLowerCase();
	const phone = digits(input.phone);
	if (!email && phone.length < FEWEST_DIGITS) {
		const message = `Give an email, or a phone number of ${FEWEST_DIGITS} digits or more`;
		throw new NodeOperationError(context.getNode(), message, { itemIndex });
	}
	const url = path`/v1/locations/${locationId}/contacts`;
	const { data } = await ask(context, url, { qs: { query: email || phone } });
	// The API finds the text anywhere in name, email and phone.
	return (data.contacts as IDataObject[]).filter(
		(contact) =>
			(!email || String(contact.email ?? '').toLowerCase() === email) &&
			(!phone || digits(contact.phone).endsWith(phone)),
	);
}

async function callOperation(
	context: IExecuteFunctions,
	item: number,
	name: string,
	body: IDataObject,
): Promise<IDataObject> {
	const { data } = await ask(context, path`/v1/operations/${name}`, { method: 'POST', body });
	const jobId = data.jobId as string;
	const { state } = await outcome(context, jobId, item);
	if (state !== 'done') return { jobId, state };
	return { jobId, state, ...(await ask(context, path`/v1/jobs/${jobId}/reply`)).data };
}
