import type {
	IDataObject,
	IExecuteFunctions,
	IHookFunctions,
	IHttpRequestMethods,
	ILoadOptionsFunctions,
	INodePropertyOptions,
	JsonObject,
} from 'n8n-workflow';
import { NodeApiError } from 'n8n-workflow';

type Context = IExecuteFunctions | IHookFunctions | ILoadOptionsFunctions;

interface Asked {
	method?: IHttpRequestMethods;
	qs?: IDataObject;
	body?: IDataObject;
	/** Statuses that are answers here, and no errors. */
	also?: number[];
}

/** Sends a request to the gateway. Its errors become words: what was wrong, and each field at fault. */
export async function ask(
	context: Context,
	url: string,
	asked: Asked = {},
): Promise<{ status: number; data: IDataObject }> {
	const { method = 'GET', qs, body, also = [] } = asked;
	const { baseUrl } = await context.getCredentials<{ baseUrl: string }>('clientySyncApi');
	const answer = (await context.helpers.httpRequestWithAuthentication.call(context, 'clientySyncApi', {
		baseURL: baseUrl.trim().replace(/\/+$/, ''),
		url,
		method,
		qs,
		body,
		json: true,
		// A redirect would take the key along, and turn a POST into a GET.
		disableFollowRedirect: true,
		ignoreHttpStatusErrors: true,
		returnFullResponse: true,
	})) as { statusCode: number; body: unknown };
	const status = answer.statusCode;
	const data = (typeof answer.body === 'object' ? answer.body : undefined) as IDataObject | undefined;
	if (status < 300 || also.includes(status)) return { status, data: data ?? {} };
	throw new NodeApiError(context.getNode(), (data ?? {}) as JsonObject, {
		httpCode: String(status),
		...wordsOf(status, data),
	});
}

interface Fault {
	field: string;
	message: string;
}

function wordsOf(status: number, said: IDataObject | undefined) {
	if (typeof said?.title !== 'string') {
		return { message: `No answer of clienty-sync, but ${status}: is the address right?` };
	}
	const faults = ((said.errors ?? []) as Fault[]).map(({ field, message }) =>
		field ? `${field}: ${message}` : message,
	);
	return { message: [said.title, said.detail].filter(Boolean).join(': '), description: faults.join('\n') };
}

/** A path, with each value as one part of it. */
export const path = (parts: TemplateStringsArray, ...values: string[]): string =>
	String.raw({ raw: parts }, ...values.map(encodeURIComponent));

/** The locations that the key sees, for a dropdown. */
export async function locations(this: ILoadOptionsFunctions): Promise<INodePropertyOptions[]> {
	const { data } = await ask(this, '/v1/locations');
	const found = data.locations as Array<{ locationId: string; name: string | null }>;
	return found.map(({ locationId: value, name }) => ({ name: name ?? value, value }));
}
