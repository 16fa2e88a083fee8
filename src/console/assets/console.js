// Progressive enhancement of the console; every page works without it. It keeps four promises:
//  1. <main data-live="SECONDS"> stays current: its URL is fetched again, and of each [data-part] that reads differently the new one takes
//     the place of the old. Nothing is replaced under a hand: not while a field or a dialog is in use, text is selected, or the pointer or
//     the keyboard is on a button of the part. Hidden tabs ask nothing.
//  2. <time data-ago datetime> says how long ago, by the server's clock and in its words.
//  3. A click on [data-copy] copies its title.
//  4. A <form data-confirm="Question?" data-confirm-text="…"> asks first, with the words of its button. Without JavaScript the server asks;
//     sure=1 tells it that the question was answered.
"use strict";
(() => {
  const main = document.querySelector("main");
  const slot = document.querySelector("[data-live-status]");

  // ── times ──
  let skew = Date.parse(main.dataset.now) - Date.now() || 0;
  const units = [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "days"]];
  const span = (seconds) => {
    const [, length, unit] = units.find(([below]) => seconds < below);
    return `${Math.floor(seconds / length)} ${unit}`;
  };
  function ago(time) {
    const seconds = Math.round((Date.now() + skew - Date.parse(time.dateTime)) / 1000);
    const text = Math.abs(seconds) < 2 ? "now" : seconds < 0 ? `in ${span(-seconds)}` : `${span(seconds)} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
  const times = (root) => root.querySelectorAll("time[data-ago]").forEach(ago);

  // ── copying ──
  function copyable(root) {
    for (const id of root.querySelectorAll("[data-copy]")) {
      id.tabIndex = 0;
      id.setAttribute("role", "button");
      id.setAttribute("aria-label", `${id.textContent}, copy ${id.title}`);
    }
  }
  async function copy(id) {
    try {
      await navigator.clipboard.writeText(id.title);
      id.dataset.copied = "";
      setTimeout(() => delete id.dataset.copied, 1500);
    } catch {
      // no permission, or plain HTTP: the whole id is selected, to be copied by hand
      id.textContent = id.title;
      getSelection().selectAllChildren(id);
    }
  }
  document.addEventListener("click", (event) => {
    const id = event.target.closest("[data-copy]");
    if (id) copy(id);
  });
  document.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target.matches("[data-copy]")) {
      event.preventDefault();
      copy(event.target);
    }
  });

  // ── questions ──
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) return event.preventDefault(); // a double click is one act
    if (form.dataset.confirm && !form.elements.sure) {
      event.preventDefault();
      ask(form, event.submitter);
    } else if (form.method === "post") {
      form.dataset.sent = "yes";
    }
  });
  // the browser's back shows the page as it was left: its forms may be sent again, and ask again
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    if (form.dataset.confirm) form.elements.sure?.remove();
  }));
  const make = (name, values, ...children) => {
    const element = Object.assign(document.createElement(name), values);
    element.append(...children);
    return element;
  };
  let asks = false;
  function ask(form, button) {
    asks = true;
    const yes = make("button", { value: "yes", className: button.className || "main" }, ...[...button.childNodes].map((node) => node.cloneNode(true)));
    const dialog = make("dialog", {},
      make("h2", { id: "question", textContent: form.dataset.confirm }),
      make("p", { textContent: form.dataset.confirmText || "" }),
      make("form", { method: "dialog", className: "acts" }, make("button", { value: "no", textContent: "Keep as it is", autofocus: true }), yes));
    dialog.setAttribute("aria-labelledby", "question");
    dialog.addEventListener("close", () => {
      dialog.remove();
      asks = false;
      if (dialog.returnValue !== "yes") return button.focus();
      form.append(make("input", { type: "hidden", name: "sure", value: "1" }));
      form.requestSubmit(button);
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  // ── staying current ──
  const every = Number(main.dataset.live) * 1000;
  const parts = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  // what the server said; times count by themselves, so their text is no difference
  const said = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("time[data-ago]").forEach((time) => time.replaceChildren());
    return copy.outerHTML;
  };
  const known = new Map();
  const source = document.querySelector("script").getAttribute("src");
  let timer, asked = Date.now(), failures = 0, paused = false, over = false;

  // a question is open until its answer was heard, which is a moment after its dialog has closed: its form must not be replaced before
  const held = () => asks || document.querySelector("main :is(input, select, textarea):focus") || !getSelection().isCollapsed;
  const dirty = (part) => [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);
  const key = (element) => element.id || [element.tagName, element.href, element.form && element.form.action, element.textContent].join();

  function show(state, text, link, href) {
    const word = make("span", { className: "state", textContent: text });
    word.dataset.state = state;
    const button = make("button", { type: "button", className: "plain", textContent: paused ? "Resume" : "Pause" });
    button.setAttribute("aria-label", `${button.textContent} live updates`);
    button.addEventListener("click", () => {
      paused = !paused;
      paused ? show("paused", "Paused") : show("ready", "Live");
      slot.querySelector("button").focus();
      plan(paused ? 0 : 1);
    });
    if (slot.firstChild && slot.firstChild.textContent === text) return; // said once, not every few seconds
    slot.replaceChildren(word, link ? make("a", { href, textContent: link }) : button);
  }
  function plan(wait = every * 2 ** Math.min(failures, 4)) {
    clearTimeout(timer);
    if (wait && !paused && !over && !document.hidden) timer = setTimeout(refresh, wait);
  }
  function end(reason, link, href) {
    over = true;
    show("warn", `Not live: ${reason}`, link, href);
  }
  async function refresh() {
    asked = Date.now();
    if (held()) return plan();
    try {
      const answer = await fetch(location.href, { cache: "no-cache", redirect: "manual", signal: AbortSignal.timeout(10000) });
      if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) return end("you are signed out.", "Sign in", location.href);
      if (answer.status === 404) return end("what this page shows is gone.", "Reload", location.href);
      if (!answer.ok) throw new Error(`the gateway answers ${answer.status}`);
      skew = Date.parse(answer.headers.get("date")) - Date.now() || skew;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (page.querySelector("script")?.getAttribute("src") !== source) return end("a newer version runs.", "Reload", location.href);
      if (!held() && !paused) take(page);
      failures = 0;
      if (!paused) show("ready", "Live");
    } catch (error) {
      failures += 1;
      show("warn", `Not live: ${error instanceof TypeError || error.name === "TimeoutError" ? "the gateway does not answer" : error.message}`);
    }
    plan();
  }
  function take(page) {
    for (const link of document.querySelectorAll(".nav a")) {
      const fresh = [...page.querySelectorAll(".nav a")].find((other) => other.pathname === link.pathname);
      if (fresh && fresh.innerHTML !== link.innerHTML) link.replaceChildren(...fresh.childNodes);
    }
    document.title = page.title;
    const here = parts(document);
    for (const [name, fresh] of parts(page)) {
      const old = here.get(name);
      const says = said(fresh);
      if (!old || says === known.get(name) || dirty(old) || old.querySelector("a:hover, button:hover, button:focus-visible")) continue;
      const focus = old.contains(document.activeElement) && key(document.activeElement);
      const open = new Set([...old.querySelectorAll("details[open]")].map((details) => details.id));
      const left = [...old.querySelectorAll(".table")].map((table) => table.scrollLeft);
      old.replaceWith(fresh);
      known.set(name, says);
      fresh.querySelectorAll("details[id]").forEach((details) => { details.open ||= open.has(details.id); });
      fresh.querySelectorAll(".table").forEach((table, at) => { table.scrollLeft = left[at] || 0; });
      copyable(fresh);
      if (focus) [...fresh.querySelectorAll("a, button, summary, [tabindex]")].find((element) => key(element) === focus)?.focus({ preventScroll: true });
    }
    times(document);
  }

  if (every && slot) {
    for (const [name, part] of parts(document)) known.set(name, said(part));
    slot.setAttribute("role", "status");
    show("ready", "Live");
    // a tab that is shown again asks at once if its turn has passed, else at its turn: switching back and forth asks no more often
    document.addEventListener("visibilitychange", () => plan(Math.max(1, every - (Date.now() - asked))));
    plan();
  }
  // what was just done is said once: a reload or a bookmark does not say it again
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    here.searchParams.delete("n");
    history.replaceState(null, "", here);
  }
  copyable(document);
  times(document);
  setInterval(() => { if (!document.hidden && getSelection().isCollapsed) times(document); }, 1000);
})();
