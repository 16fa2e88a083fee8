/**
 * Checks messages of hooks, as Standard Webhooks signs them: over `id.timestamp.body`, with HMAC-SHA256 (`v1`, a secret that
 * begins with `whsec_`) or Ed25519 (`v1a`, a public key that begins with `whpk_`).
 *
 * Only Web Crypto is used, so it runs in Node, Deno, Bun, browsers and workers. It compares in constant time.
 */

/** A message that is not what a hook of yours sent just now. */
export class InvalidMessage extends Error {
  override readonly name = 'InvalidMessage';
}

/** What every message has. `data` is the record as it was when the message was sent, or its ids if it is gone. */
export interface HookMessage<Data = Record<string, unknown>> {
  /** The same each time the message is sent: drop what you know. */
  id: string;
  type: string;
  timestamp: string;
  locationId: string;
  contactId: string;
  record: 'contact' | 'task' | 'note' | 'appointment';
  recordId: string;
  origin: string | null;
  causedBy: { jobId: string; keyId: string | null } | null;
  /** Places in the change feed: a `previous` that you never get shows a gap. */
  sequence: number | null;
  previous: number | null;
  includes?: [number, number | null][];
  /** Names of the fields that changed. */
  changes: string[];
  /** Whether the record was too long, so that `data` holds its ids. */
  truncated?: boolean;
  data: Data;
}

export type MessageHeaders = Headers | Record<string, string | string[] | undefined>;

const TOLERANCE_S = 5 * 60;

const SCHEMES = [
  { prefix: 'whsec_', version: 'v1', algorithm: { name: 'HMAC', hash: 'SHA-256' } },
  { prefix: 'whpk_', version: 'v1a', algorithm: { name: 'Ed25519' } },
] as const;

/**
 * The message, once its signature and its age are right.
 *
 * @param secret of the hook, told when it was made; several during a rotation.
 * @param body as it came: parsing and printing it again changes it.
 * @throws InvalidMessage
 */
export const verify = async <Message = HookMessage>(
  secret: string | readonly string[],
  headers: MessageHeaders,
  body: string | Uint8Array,
  now: Date = new Date()
): Promise<Message> => {
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = header(headers, 'webhook-signature').split(' ');
  if (!/^\d{1,15}$/.test(timestamp)) throw new InvalidMessage('the header webhook-timestamp is no time');
  if (Math.abs(now.getTime() / 1000 - Number(timestamp)) > TOLERANCE_S) {
    throw new InvalidMessage('the message is more than 5 minutes old, or the clocks differ');
  }
  const signed = concat(utf8(`${id}.${timestamp}.`), typeof body === 'string' ? utf8(body) : body);
  for (const one of [secret].flat()) {
    if (await isSigned(one, signatures, signed)) return parse(body) as Message;
  }
  throw new InvalidMessage('no signature fits the secret');
};

const isSigned = async (secret: string, signatures: string[], signed: Bytes): Promise<boolean> => {
  const scheme = SCHEMES.find(({ prefix }) => secret.startsWith(prefix));
  const bytes = scheme && base64(secret.slice(scheme.prefix.length));
  if (!scheme || !bytes?.length) throw new TypeError('the secret of a hook is whsec_ or whpk_ and base64');
  const key = await crypto.subtle.importKey('raw', bytes, scheme.algorithm, false, ['verify']);
  for (const text of signatures) {
    const [version, signature] = text.split(',', 2);
    const given = version === scheme.version && signature ? base64(signature) : undefined;
    if (given && (await crypto.subtle.verify(scheme.algorithm.name, key, given, signed))) return true;
  }
  return false;
};

const header = (headers: MessageHeaders, name: string): string => {
  const found =
    headers instanceof Headers
      ? headers.get(name)
      : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  if (typeof found !== 'string' || !found) throw new InvalidMessage(`the header ${name} is missing`);
  return found;
};

const parse = (body: string | Uint8Array): unknown =>
  JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body));

type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

const concat = (head: Uint8Array, tail: Uint8Array): Bytes => {
  const all = new Uint8Array(head.length + tail.length);
  all.set(head);
  all.set(tail, head.length);
  return all;
};

/** Undefined if it is none. */
const base64 = (text: string): Bytes | undefined => {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
};
