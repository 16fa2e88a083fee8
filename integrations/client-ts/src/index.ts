/**
 * The HTTP API of clienty-sync, typed by its OpenAPI document: paths, parameters, bodies and answers are checked by the
 * compiler. `types.ts` is generated; `npm run generate` makes it anew.
 */
import createFetchClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './types.js';

export type { components, paths } from './types.js';

/** The records and bodies by their names in the document: `Schemas['Contact']`. */
export type Schemas = components['schemas'];

export interface Options {
  /** Where the gateway is, such as `https://sync.example.com`. */
  baseUrl: string;
  /** Made by `clienty-sync keys create`. */
  apiKey: string;
  /** Instead of the runtime's own. */
  fetch?: (request: Request) => Promise<Response>;
}

/** A client with `GET`, `POST` and `DELETE` for each path of the API. No redirect is followed: it would take the key along. */
export const createClient = ({ baseUrl, apiKey, ...more }: Options): Client<paths> =>
  createFetchClient<paths>({
    baseUrl: baseUrl.replace(/\/+$/, ''),
    headers: { authorization: `Bearer ${apiKey}` },
    redirect: 'error',
    ...more,
  });

/** An answer that is no success: what was wrong, where, and when to ask again. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly status: number,
    /** Stays the same from release to release; the gateway explains it at `/problems/<code>`. */
    readonly code: string,
    message: string,
    /** Each field at fault. */
    readonly errors: readonly Fault[],
    /** Seconds after which asking again can help. */
    readonly retryAfter: number | undefined
  ) {
    super(message);
  }
}

export interface Fault {
  /** Its place in the batch. */
  index?: number;
  field: string;
  message: string;
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer; a {@link ProblemError} if there is none. */
export const ok = async <T>(asked: Promise<Answer<T>>): Promise<T> => {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  throw problemOf(error, response);
};

const problemOf = (said: unknown, { status, headers }: Response): ProblemError => {
  const { type, title, detail, errors = [] } = Object(said) as Partial<Said>;
  const seconds = Number.parseInt(headers.get('retry-after') ?? '', 10);
  const message = title ? [title, detail].filter(Boolean).join(': ') : `no answer of clienty-sync, but ${status}`;
  const fields = errors.map((fault) => `; ${fault.field}: ${fault.message}`).join('');
  const code = type?.replace(/^\/problems\//, '') ?? 'no-answer';
  return new ProblemError(status, code, message + fields, errors, Number.isNaN(seconds) ? undefined : seconds);
};

interface Said {
  type: string;
  title: string;
  detail: string;
  errors: Fault[];
}
