'use strict';

// How every request is sent, and what its errors mean to the owner of a Zap.
//
// Requests name a path, `/v1/…`. Only those get the address and the key, so the key goes nowhere else. No redirect is
// followed: it would turn a POST into a GET.

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/** The address of the gateway, however it was typed. */
const baseOf = (z, { authData }) => {
  const wrong = (message) => new z.errors.Error(message, 'InvalidAddress', 400);
  let url;
  try {
    url = new URL(String(authData.baseUrl).trim());
  } catch {
    throw wrong('The address is no URL: it looks like https://sync.example.com');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.includes(url.hostname))) {
    throw wrong('The address must begin with https://: anybody on the way could read the API key');
  }
  return url.origin + url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
};

const authorize = (request, z, bundle) => {
  if (!request.url.startsWith('/')) return request;
  return {
    ...request,
    url: baseOf(z, bundle) + request.url,
    redirect: 'manual',
    throwForThrottlingEarly: false,
    headers: { ...request.headers, accept: 'application/json', authorization: `Bearer ${bundle.authData.apiKey}` },
  };
};

const refuse = (response, z) => {
  if (response.status < 300 || response.request.skipThrowForStatus) return response;
  throw problem(response, z);
};

/** The error that an answer stands for: `application/problem+json` in words, each field at fault on a line. */
const problem = (response, z) => {
  const { status } = response;
  if (status < 400) {
    const place = response.getHeader('location');
    return new z.errors.Error(`The address leads on to ${place}: connect with that one`, 'InvalidAddress', status);
  }
  const { message, code } = read(response);
  if (status === 401) return new z.errors.ExpiredAuthError(message);
  const seconds = Number.parseInt(response.getHeader('retry-after'), 10);
  if (status === 429 || (status === 503 && seconds > 0)) {
    return new z.errors.ThrottledError(message, seconds > 0 ? seconds : undefined);
  }
  return new z.errors.Error(message, code, status);
};

/** What an answer says: for people, and its code. */
const read = (response) => {
  let said;
  try {
    said = JSON.parse(response.content);
  } catch {
    // It comes from something in between.
  }
  if (typeof said?.type !== 'string' || typeof said.title !== 'string') {
    return { message: `No answer of clienty-sync, but ${response.status}: is the address right?`, code: 'NoAnswer' };
  }
  const faults = (said.errors ?? []).map(({ field, message }) => (field ? `${field}: ${message}` : message));
  if (said.moreErrors) faults.push(`and ${said.moreErrors} more`);
  const head = said.detail ? `${said.title}: ${said.detail}` : said.title;
  return { message: [head, ...faults].join('\n'), code: said.type.replace(/^\/problems\//, '') };
};

/** A path, with each value as one part of it. */
const path = (parts, ...values) => String.raw({ raw: parts }, ...values.map(encodeURIComponent));

module.exports = { authorize, refuse, problem, read, path };
