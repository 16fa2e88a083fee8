import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { NodeOperationError, sleep } from 'n8n-workflow';
import { ask, path } from './api';

const PATIENCE_MS = 60_000;
const FIRST_MS = 250;
const LONGEST_MS = 2_000;

/** The job, once GHL took or refused what was asked; after a minute as it stands then: it is done all the same, later. */
export async function outcome(context: IExecuteFunctions, jobId: string, itemIndex: number): Promise<IDataObject> {
	let waited = 0;
	for (let pause = FIRST_MS; ; pause = Math.min(2 * pause, LONGEST_MS)) {
		const { data: job } = await ask(context, path`/v1/jobs/${jobId}`);
		if (job.state === 'dead' || job.state === 'discarded') {
			const reason = (job.lastError ?? job.why ?? 'no reason is known') as string;
			throw new NodeOperationError(context.getNode(), `It was not done: ${reason}`, {
				itemIndex,
				description: `Job ${jobId}`,
			});
		}
		if (job.state === 'done' || waited >= PATIENCE_MS) return job;
		await sleep(pause);
		waited += pause;
	}
}
