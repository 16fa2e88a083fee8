/** Receives messages of hooks: `SECRET=whsec_… node dist/example.js`. */
import { createServer } from 'node:http';
import { InvalidMessage, verify } from './src/hooks.js';

const secret = process.env['SECRET'] ?? '';

createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  try {
    const message = await verify(secret, request.headers, Buffer.concat(chunks));
    console.log(message.type, message.contactId, message.changes.join(' '));
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(error instanceof InvalidMessage ? 401 : 500).end();
  }
}).listen(3000);
