import { createHmac, timingSafeEqual } from 'node:crypto';

const TOLERANCE_S = 5 * 60;

type Headers = Record<string, string | string[] | undefined>;

/** Whether a message is what a hook with this secret sent just now, as Standard Webhooks signs it. */
export function isSigned(secret: string, headers: Headers, body: Buffer, now = new Date()): boolean {
	const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`]);
	if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false;
	if (!/^\d{1,15}$/.test(timestamp)) return false;
	if (Math.abs(now.getTime() / 1000 - Number(timestamp)) > TOLERANCE_S) return false;
	const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
	const right = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
	return signatures.split(' ').some((text) => {
		const [version, signature = ''] = text.split(',');
		const given = Buffer.from(signature, 'base64');
		return version === 'v1' && given.length === right.length && timingSafeEqual(given, right);
	});
}
