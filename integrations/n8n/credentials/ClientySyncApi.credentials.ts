import type {
	IAuthenticateGeneric,
	Icon,
	ICredentialTestRequest,
	ICredentialType,
	INodeProperties,
} from 'n8n-workflow';

export class ClientySyncApi implements ICredentialType {
	name = 'clientySyncApi';

	displayName = 'Clienty Sync API';

	icon: Icon = { light: 'file:../icons/clienty-sync.light.svg', dark: 'file:../icons/clienty-sync.dark.svg' };

	documentationUrl = 'https://clienty.example/sync/integrations/n8n';

	properties: INodeProperties[] = [
		{
			displayName: 'Address',
			name: 'baseUrl',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'https://sync.example.com',
		},
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			required: true,
			default: '',
			description: 'Made by <code>clienty-sync keys create --name n8n</code>',
		},
	];

	authenticate: IAuthenticateGeneric = {
		type: 'generic',
		properties: { headers: { Authorization: '=Bearer {{$credentials.apiKey}}' } },
	};

	test: ICredentialTestRequest = {
		request: { baseURL: '={{$credentials.baseUrl.trim().replace(/\\/+$/, "")}}', url: '/v1/me' },
	};
}
