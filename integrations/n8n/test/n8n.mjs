// What n8n gives a node while it runs: parameters, credentials, requests, and data that stays with the workflow.

/** The default of a parameter, as the node's description says it. */
const defaultOf = ({ properties }, name, { resource, operation }) => {
	const isShown = ({ displayOptions }) =>
		!displayOptions ||
		(displayOptions.show.resource.includes(resource) && (displayOptions.show.operation?.includes(operation) ?? true));
	const property = properties.find((one) => one.name === name && isShown(one));
	if (!property) throw new Error(`the node has no parameter ${name}`);
	return property.default;
};

/** A context for a node with that description; requests go out by fetch, as n8n's own helper sends them. */
export const contextOf = ({
	description,
	parameters = {},
	credentials,
	execution = 'e1',
	webhook = {},
	kept = {},
	continues = false,
}) => {
	const node = { id: 'n1', name: 'Clienty Sync', type: 'clientySync', typeVersion: 1, position: [0, 0], parameters };
	const request = async function (name, { baseURL, url, method, qs, body }) {
		const query = qs ? `?${new URLSearchParams(qs)}` : '';
		const answer = await fetch(baseURL + url + query, {
			method,
			redirect: 'manual',
			headers: { authorization: `Bearer ${credentials.apiKey}`, 'content-type': 'application/json' },
			body: body && JSON.stringify(body),
		});
		const text = await answer.text();
		let read = text;
		try {
			read = JSON.parse(text);
		} catch {
			// It stays text, as n8n leaves it.
		}
		return { statusCode: answer.status, body: read };
	};
	return {
		getNode: () => node,
		getNodeParameter: (name) => parameters[name] ?? defaultOf(description, name, parameters),
		getCredentials: async () => credentials,
		getInputData: () => [{ json: {} }],
		getWorkflow: () => ({ id: 'w1', name: 'Workflow' }),
		getExecutionId: () => execution,
		getTimezone: () => 'Europe/Berlin',
		getWorkflowStaticData: () => kept,
		getNodeWebhookUrl: () => webhook.url,
		getRequestObject: () => ({ rawBody: webhook.body }),
		getHeaderData: () => webhook.headers,
		getBodyData: () => JSON.parse(webhook.body),
		getResponseObject: () => webhook.response,
		continueOnFail: () => continues,
		helpers: { httpRequestWithAuthentication: request, returnJsonArray: (json) => [{ json }] },
	};
};
