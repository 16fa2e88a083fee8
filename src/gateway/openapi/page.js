// Renders the OpenAPI document: routes by tag, their parameters, schemas, examples and answers, and a form that tries each. Text is only ever set as
// text. The key stays in its field: it is stored nowhere, and sent to this gateway alone.
"use strict";

let api;

// An element with attributes; children that are no elements become text.
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...shown(children));
  return element;
}

// Without what is not there.
function shown(children) {
  return children.flat(3).filter((child) => child != null && child !== false);
}

// Words in which what stands between backticks is code.
function words(text) {
  return (text || "").split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

const json = (value) => JSON.stringify(value, null, 2);

function resolved(value) {
  let found = value;
  while (found && found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((at, name) => at && at[name.replace(/~1/g, "/").replace(/~0/g, "~")], api);
  }
  return found || {};
}

// Renders what is in a details element when it is first opened: schemas may hold themselves.
function lazily(attributes, summary, fill) {
  const details = el("details", attributes, el("summary", {}, summary));
  let filled = false;
  const open = () => {
    if (!details.open || filled) return;
    filled = true;
    details.append(...shown([fill()]));
  };
  details.addEventListener("toggle", open);
  return details;
}

function typeOf(schema) {
  const name = schema.$ref ? schema.$ref.split("/").pop() : "";
  const plain = resolved(schema);
  let type = [plain.type || (plain.oneOf ? "one of" : "anything")].flat().join(" or ");
  if ([plain.type].flat().includes("array") && plain.items) type += " of " + typeOf(plain.items);
  return [name, type, plain.format].filter(Boolean).join(" · ");
}

function boundsOf(schema) {
  const bounds = [];
  const range = (least, most, what) => {
    if (schema[least] !== undefined || schema[most] !== undefined) {
      bounds.push([schema[least] ?? "", schema[most] ?? ""].join("–") + what);
    }
  };
  range("minimum", "maximum", "");
  range("minLength", "maxLength", " characters");
  range("minItems", "maxItems", " items");
  if (schema.enum) bounds.push(schema.enum.map((value) => JSON.stringify(value)).join(", "));
  if (schema.default !== undefined) bounds.push("default " + JSON.stringify(schema.default));
  return bounds.join("; ");
}

// What a schema says of itself, and what is within it.
function schemaOf(schema, name, isRequired) {
  const plain = resolved(schema);
  const head = [
    name ? el("code", {}, name) : null,
    " ",
    el("span", { class: "type" }, typeOf(schema)),
    isRequired ? el("span", { class: "must" }, " required") : null,
    " ",
    boundsOf(plain) ? el("span", { class: "type" }, boundsOf(plain)) : null,
    plain.description ? [" — ", words(plain.description)] : null,
  ];
  const within = [];
  for (const [member, of] of Object.entries(plain.properties || {})) {
    within.push(() => schemaOf(of, member, (plain.required || []).includes(member)));
  }
  for (const one of plain.oneOf || []) within.push(() => schemaOf(one, "", false));
  if (plain.items) within.push(() => schemaOf(plain.items, "[ ]", false));
  if (plain.additionalProperties && plain.additionalProperties.type) {
    within.push(() => schemaOf(plain.additionalProperties, "*", false));
  }
  if (!within.length) return el("div", {}, head);
  return lazily({}, head, () => el("ul", { class: "schema" }, within.map((fill) => el("li", {}, fill()))));
}

function mediaOf(content) {
  return Object.entries(content || {}).flatMap(([type, media]) => [
    el("div", {}, el("code", {}, type)),
    media.schema ? schemaOf(media.schema, "", false) : null,
    media.example !== undefined ? el("pre", {}, json(media.example)) : null,
    ...Object.entries(media.examples || {}).map(([name, example]) =>
      lazily({}, [el("code", {}, name), " ", resolved(example).summary || ""], () => el("pre", {}, json(resolved(example).value)))
    ),
  ]);
}

function parametersOf(parameters) {
  if (!parameters.length) return null;
  const row = (parameter) =>
    el("tr", {},
      el("td", {}, el("code", {}, parameter.name)),
      el("td", {}, parameter.in, parameter.required ? el("span", { class: "must" }, " required") : null),
      el("td", {}, el("span", { class: "type" }, typeOf(parameter.schema), " ", boundsOf(parameter.schema)), " ", words(parameter.description)));
  return [el("h3", {}, "Parameters"), el("table", {}, parameters.map(row))];
}

function responsesOf(responses) {
  const one = ([status, reference]) => {
    const response = resolved(reference);
    const codes = (response["x-clienty-problems"] || []).flatMap((code) => [" ", el("a", { href: "problems/" + code }, code)]);
    const headers = Object.entries(response.headers || {}).map(([name, header]) =>
      el("div", {}, el("code", {}, name), " ", words(resolved(header).description)));
    return lazily({}, [el("code", {}, status), " ", words(response.description), codes], () => [headers, mediaOf(response.content)]);
  };
  return [el("h3", {}, "Answers"), Object.entries(responses || {}).map(one)];
}

// A form that sends the request, and shows the answer. A webhook is sent by the gateway, so there is none for it.
function tryOf(method, path, operation, parameters) {
  const fields = parameters.filter((parameter) => parameter.in !== "header").map((parameter) => ({
    parameter,
    input: el("input", {
      "aria-label": parameter.name, size: 36,
      placeholder: parameter.example === undefined ? "" : String(parameter.example),
    }),
  }));
  const media = operation.requestBody && (resolved(operation.requestBody).content || {})["application/json"];
  const examples = Object.entries((media && media.examples) || {});
  const body = media && el("textarea", { rows: 10, spellcheck: "false", "aria-label": "Body" });
  if (body) body.value = examples.length ? json(resolved(examples[0][1]).value) : "{}";
  const choose = examples.length > 1 && el("select", {
    "aria-label": "Example",
    onchange: (event) => { body.value = json(resolved(examples[event.target.selectedIndex][1]).value); },
  }, examples.map(([name]) => el("option", {}, name)));
  const asked = el("p", { class: "path" });
  const answer = el("pre", { hidden: true, "aria-live": "polite" });

  async function send(event) {
    event.preventDefault();
    let at = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      const value = input.value;
      if (parameter.in === "path") at = at.replace("{" + parameter.name + "}", encodeURIComponent(value));
      else if (value !== "") query.append(parameter.name, value);
    }
    const url = at.slice(1) + (String(query) ? "?" + query : "");
    const headers = {};
    const key = document.getElementById("key").value.trim();
    if (key && (operation.security ?? api.security ?? []).length) headers.Authorization = "Bearer " + key;
    if (body) headers["Content-Type"] = "application/json";
    asked.textContent = method.toUpperCase() + " /" + url;
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const began = performance.now();
      const response = await fetch(url, {
        method: method.toUpperCase(), headers, body: body ? body.value : undefined,
        credentials: "omit", redirect: "manual", referrerPolicy: "no-referrer", cache: "no-store",
      });
      const took = Math.round(performance.now() - began);
      const text = await response.text();
      let told = text;
      try { told = json(JSON.parse(text)); } catch { /* It is no JSON. */ }
      const status = response.type === "opaqueredirect" ? "a redirect" : response.status + " " + response.statusText;
      const names = ["content-type", "retry-after", "x-request-id"].filter((name) => response.headers.has(name));
      answer.textContent = [status + ", " + took + " ms", ...names.map((name) => name + ": " + response.headers.get(name)), "", told].join("\n");
    } catch (error) {
      answer.textContent = "No answer: " + error.message;
    }
  }

  const isDelete = method === "delete";
  return el("form", { onsubmit: send },
    el("h3", {}, "Try it"),
    fields.map(({ parameter, input }) => el("label", {}, el("span", {}, parameter.name, parameter.required ? " *" : ""), input)),
    choose, body, el("p", {}, el("button", {}, isDelete ? "Send: this can't be taken back" : "Send")), asked, answer);
}

function routeOf(method, path, operation, isWebhook) {
  const parameters = (operation.parameters || []).map(resolved);
  const role = operation["x-clienty-role"];
  const isOpen = (operation.security ?? api.security ?? []).length === 0;
  const fill = () => [
    operation.description ? el("p", {}, words(operation.description)) : null,
    isWebhook ? null : el("p", { class: "type" }, isOpen ? "No key." : role ? "Key of the role " + role.join(" or ") + "." : "Needs a key.",
      operation["x-clienty-people"] ? " The key must read names and values." : ""),
    parametersOf(parameters),
    operation.requestBody ? [el("h3", {}, "Body"), el("p", {}, words(resolved(operation.requestBody).description)), mediaOf(resolved(operation.requestBody).content)] : null,
    responsesOf(operation.responses),
    isWebhook ? null : tryOf(method, path, operation, parameters),
  ];
  const route = lazily({ class: "route", id: operation.operationId },
    [el("span", { class: "method " + method }, method.toUpperCase()), el("span", { class: "path" }, path), el("span", {}, operation.summary)], fill);
  route.dataset.words = [method, path, operation.summary, operation.description, operation.operationId].join(" ").toLowerCase();
  return route;
}

function render() {
  const routes = document.getElementById("routes");
  const tags = document.getElementById("tags");
  const all = (paths, isWebhook) => Object.entries(paths || {}).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation, isWebhook })));
  const operations = [...all(api.paths, false), ...all(api.webhooks, true)];
  const sections = (api.tags || []).map(({ name, description }) => {
    const own = operations.filter(({ operation }) => (operation.tags || []).includes(name));
    tags.append(el("a", { href: "#tag-" + name }, name));
    return el("section", { id: "tag-" + name }, el("h2", {}, name), el("p", {}, words(description)),
      own.map(({ method, path, operation, isWebhook }) => routeOf(method, path, operation, isWebhook)));
  });
  const about = (api.info.description || "").split("\n\n").map((text) => el("p", {}, words(text)));
  const access = Object.values(api.components.securitySchemes).map((scheme) => el("p", {}, words(scheme.description)));
  routes.replaceChildren(el("p", {}, "Version " + api.info.version + ". ", api.info.summary), ...about, ...access, ...sections);
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const section of sections) {
      let left = 0;
      for (const route of section.querySelectorAll(".route")) {
        route.hidden = !wanted.every((word) => route.dataset.words.includes(word));
        left += route.hidden ? 0 : 1;
      }
      section.hidden = left === 0;
    }
  });
  const linked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked) {
    if (linked.tagName === "DETAILS") linked.open = true;
    linked.scrollIntoView();
  }
}

fetch("openapi.json", { credentials: "omit" })
  .then((response) => {
    if (!response.ok) throw new Error("the gateway answers " + response.status);
    return response.json();
  })
  .then((document) => { api = document; render(); })
  .catch((error) => { document.getElementById("state").textContent = "The document can't be read: " + error.message; });
