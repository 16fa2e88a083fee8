import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient, ok } from '../src/index.js';

const DOCUMENT = process.env['OPENAPI'] ?? '../../src/gateway/openapi.json';

test('the types are those of the document', { skip: !existsSync(DOCUMENT) && `there is no ${DOCUMENT}` }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'clienty-types-'));
  try {
    const made = join(folder, 'types.ts');
    execFileSync('node_modules/.bin/openapi-typescript', [DOCUMENT, '--output', made], { stdio: 'ignore' });
    assert.ok(readFileSync(made).equals(readFileSync('src/types.ts')), '`npm run generate` makes them anew');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is no answer of the API, and when to ask again', async () => {
  const answering = (body: string, headers = {}) =>
    createClient({
      baseUrl: 'https://sync.example.com',
      apiKey: 'k',
      fetch: async () => new Response(body, { status: 503, headers }),
    });
  for (const body of ['<html>', '', 'null', '{}', '[]']) {
    await assert.rejects(ok(answering(body).GET('/v1/locations')), { code: 'no-answer', status: 503 }, body);
  }
  await assert.rejects(ok(answering('{"title":"Busy"}', { 'retry-after': '7' }).GET('/v1/locations')), {
    retryAfter: 7,
  });
});

test('the key goes along, and no redirect does', async () => {
  let asked: Request | undefined;
  const fetch = async (request: Request) => {
    asked = request;
    return Response.json({ locations: [] });
  };
  await ok(createClient({ baseUrl: 'https://sync.example.com/', apiKey: 'k', fetch }).GET('/v1/locations'));
  assert.equal(asked?.url, 'https://sync.example.com/v1/locations');
  assert.deepEqual([asked.headers.get('authorization'), asked.redirect], ['Bearer k', 'error']);
});
