// Requests to the server: the token, the language of its messages, and whether it answers at all.
import { byId, recall, remember } from "./dom.js";
import { language, t } from "./language.js";

const CHECK_MS = 4000;
const RETRY_MS = 1000;

export class Unreachable extends Error {}

export class Refused extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** Fires "offline" and "online". */
export const connection = new EventTarget();
let online = true;
let timer = 0;
let asking = null;

export const isOnline = () => online;
export const token = () => recall("token");

/** An address on the server: the page may live below any path, behind any proxy. */
export const address = (path) => new URL(path, document.baseURI);

export function socketAddress(path) {
  const url = address(path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

export function headers() {
  const given = { "Accept-Language": language() };
  if (token()) given.Authorization = `Bearer ${token()}`;
  return given;
}

/** Fetch; throws Unreachable if the server is away, Refused with its own words if it says no. */
export async function request(path, options = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(address(path), { ...options, headers: { ...headers(), ...options.headers } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      noteAway();
      throw new Unreachable(t("server_gone"));
    }
    // A proxy in front says so when the server behind it is away.
    if ([502, 503, 504].includes(response.status) && !response.headers.get("content-type")?.includes("json")) {
      noteAway();
      throw new Unreachable(t("server_gone"));
    }
    noteHere();
    if (response.status === 401) {
      if (await askForToken()) continue;
      throw new Refused(t("token_title"), 401, {});
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  return new Refused(readMessage(body, `HTTP ${response.status}`), response.status, body);
}

/** The server's sentence in any of the shapes that it may have. */
export function readMessage(body, otherwise) {
  const found = body?.error?.message ?? body?.error ?? body?.detail?.message ?? body?.detail ?? body?.message;
  return typeof found === "string" ? found : otherwise;
}

export const getJson = async (path) => (await request(path)).json();

export async function sendJson(path, body, method = "POST") {
  const response = await request(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

/** Ask the user for the token; one question at a time. Tells whether one was given. */
export function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token-dialog");
    dialog.addEventListener(
      "close",
      () => {
        const given = dialog.returnValue === "given";
        if (given) remember("token", byId("token").value.trim());
        asking = null;
        resolve(given);
      },
      { once: true },
    );
    dialog.returnValue = "";
    dialog.showModal();
  });
  return asking;
}

export function noteAway() {
  schedule(RETRY_MS);
  if (!online) return;
  online = false;
  const banner = byId("connection");
  banner.className = "connection bad";
  banner.textContent = t("offline");
  connection.dispatchEvent(new Event("offline"));
}

export function noteHere() {
  if (online) return;
  online = true;
  const banner = byId("connection");
  banner.className = "connection good";
  banner.textContent = t("online_again");
  setTimeout(() => {
    if (online) banner.className = "connection";
  }, 6000);
  connection.dispatchEvent(new Event("online"));
}

async function check() {
  if (document.visibilityState === "hidden" && online) return schedule(CHECK_MS);
  try {
    const response = await fetch(address("health"), { cache: "no-store", signal: AbortSignal.timeout(3000) });
    if (response.ok || response.status < 500) noteHere();
    else noteAway();
  } catch {
    noteAway();
  }
  return schedule(online ? CHECK_MS : RETRY_MS);
}

function schedule(delay) {
  clearTimeout(timer);
  timer = setTimeout(check, delay);
}

export const watchServer = () => schedule(CHECK_MS);
