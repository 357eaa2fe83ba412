// As much of a browser as BOSH clients look for: XMLHttpRequest and fetch that
// keep to CORS for a page of some origin, and a sessionStorage that outlives a
// reload, which ends the requests that are under way. Import it before a library.

let page;

/** Show a page of this origin, in place of the one before; `blocked(text)` hears what CORS forbids. */
export async function visit(origin, blocked) {
  // It takes its time to load, and clients over WebSocket do without.
  const { JSDOM, VirtualConsole } = await import("jsdom");
  const virtualConsole = new VirtualConsole();
  virtualConsole.on("jsdomError", ({ message }) => /cross.?origin|preflight|allow-/i.test(message) && blocked(message));
  const stored = page?.window.origin === origin ? Object.entries(page.window.sessionStorage) : [];
  page?.window.close();
  page = new JSDOM("", { url: `${origin}/`, virtualConsole });
  for (const [key, value] of stored) page.window.sessionStorage.setItem(key, value);
  globalThis.XMLHttpRequest = page.window.XMLHttpRequest;
  globalThis.sessionStorage = page.window.sessionStorage;
}

globalThis.fetch = (url, { method, headers, body }) =>
  new Promise((resolve, reject) => {
    const request = new page.window.XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.onload = () => {
      const { status, responseText } = request;
      resolve({ ok: status >= 200 && status < 300, status, text: async () => responseText });
    };
    request.onerror = () => reject(new TypeError("Failed to fetch"));
    request.send(body);
  });
