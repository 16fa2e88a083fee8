import type {
	IDataObject,
	IHookFunctions,
	INodeType,
	INodeTypeDescription,
	IWebhookFunctions,
	IWebhookResponseData,
} from 'n8n-workflow';
import { NodeConnectionTypes } from 'n8n-workflow';
import { ask, locations, path } from '../ClientySync/api';
import { isSigned } from './signature';

interface Kept extends IDataObject {
	hookId?: string;
	secret?: string;
}

export class ClientySyncTrigger implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Clienty Sync Trigger',
		name: 'clientySyncTrigger',
		icon: { light: 'file:../../icons/clienty-sync.light.svg', dark: 'file:../../icons/clienty-sync.dark.svg' },
		group: ['trigger'],
		version: 1,
		subtitle: '={{$parameter["events"].join(", ")}}',
		description: 'Starts a workflow when something changes in Clienty or GoHighLevel',
		defaults: { name: 'Clienty Sync Trigger' },
		inputs: [],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'clientySyncApi', required: true }],
		webhooks: [{ name: 'default', httpMethod: 'POST', responseMode: 'onReceived', path: 'webhook' }],
		properties: [
			{
				displayName: 'Events',
				name: 'events',
				type: 'multiOptions',
				required: true,
				default: [],
				options: [
					{ name: 'Any', value: '*' },
					{ name: 'Appointment Created', value: 'appointment.created' },
					{ name: 'Appointment Deleted', value: 'appointment.deleted' },
					{ name: 'Appointment Updated', value: 'appointment.updated' },
					{ name: 'Contact Created', value: 'contact.created' },
					{ name: 'Contact Deleted', value: 'contact.deleted' },
					{ name: 'Contact Erased', value: 'contact.erased' },
					{ name: 'Contact Updated', value: 'contact.updated' },
					{ name: 'Note Created', value: 'note.created' },
					{ name: 'Note Deleted', value: 'note.deleted' },
					{ name: 'Note Updated', value: 'note.updated' },
					{ name: 'Task Completed', value: 'task.completed' },
					{ name: 'Task Created', value: 'task.created' },
					{ name: 'Task Deleted', value: 'task.deleted' },
					{ name: 'Task Updated', value: 'task.updated' },
					{ name: 'Write Refused', value: 'write.refused' },
				],
			},
			{
				displayName: 'Location Names or IDs',
				name: 'locations',
				type: 'multiOptions',
				typeOptions: { loadOptionsMethod: 'locations' },
				default: [],
				description:
					'None: all that the API key sees. Choose from the list, or specify IDs using an <a href="https://docs.n8n.io/code/expressions/">expression</a>.',
			},
			{
				displayName: 'Own Changes Too',
				name: 'ownToo',
				type: 'boolean',
				default: false,
				description: 'Whether it also starts for what this API key wrote; a workflow that starts itself never ends',
			},
		],
	};

	methods = { loadOptions: { locations } };

	webhookMethods = {
		default: {
			async checkExists(this: IHookFunctions): Promise<boolean> {
				const { hookId } = this.getWorkflowStaticData('node') as Kept;
				if (!hookId) return false;
				const { status, data } = await ask(this, path`/v1/hooks/${hookId}`, { also: [404] });
				return status === 200 && data.url === this.getNodeWebhookUrl('default') && !data.disabledAt;
			},

			async create(this: IHookFunctions): Promise<boolean> {
				const ids = this.getNodeParameter('locations') as string[];
				const body: IDataObject = {
					url: this.getNodeWebhookUrl('default'),
					events: this.getNodeParameter('events') as string[],
					ignoreOwn: !this.getNodeParameter('ownToo'),
					description: `n8n: ${this.getWorkflow().name ?? this.getWorkflow().id}`,
				};
				if (ids.length) body.locations = ids;
				const { data } = await ask(this, '/v1/hooks', { method: 'POST', body });
				Object.assign(this.getWorkflowStaticData('node'), { hookId: data.id, secret: data.secret });
				return true;
			},

			async delete(this: IHookFunctions): Promise<boolean> {
				const kept = this.getWorkflowStaticData('node') as Kept;
				if (kept.hookId) await ask(this, path`/v1/hooks/${kept.hookId}`, { method: 'DELETE', also: [404] });
				delete kept.hookId;
				delete kept.secret;
				return true;
			},
		},
	};

	async webhook(this: IWebhookFunctions): Promise<IWebhookResponseData> {
		const { secret } = this.getWorkflowStaticData('node') as Kept;
		const { rawBody } = this.getRequestObject();
		if (!secret || !rawBody || !isSigned(secret, this.getHeaderData(), rawBody)) {
			this.getResponseObject().status(401).send('the signature is missing, wrong or old').end();
			return { noWebhookResponse: true };
		}
		return { workflowData: [this.helpers.returnJsonArray(this.getBodyData())] };
	}
}
