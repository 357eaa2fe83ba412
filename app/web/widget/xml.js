/** XML out of strings and strings into XML, with the namespaces that the component speaks. */

export const NS = {
  bind: 'urn:ietf:params:xml:ns:xmpp-bind',
  carbons: 'urn:xmpp:carbons:2',
  chatstates: 'http://jabber.org/protocol/chatstates',
  client: 'jabber:client',
  dataForms: 'jabber:x:data',
  delay: 'urn:xmpp:delay',
  discoInfo: 'http://jabber.org/protocol/disco#info',
  forward: 'urn:xmpp:forward:0',
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  hints: 'urn:xmpp:hints',
  httpbind: 'http://jabber.org/protocol/httpbind',
  mam: 'urn:xmpp:mam:2',
  markers: 'urn:xmpp:chat-markers:0',
  muc: 'http://jabber.org/protocol/muc',
  mucOwner: 'http://jabber.org/protocol/muc#owner',
  mucUser: 'http://jabber.org/protocol/muc#user',
  oob: 'jabber:x:oob',
  ping: 'urn:xmpp:ping',
  receipts: 'urn:xmpp:receipts',
  roster: 'jabber:iq:roster',
  rsm: 'http://jabber.org/protocol/rsm',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  sm: 'urn:xmpp:sm:3',
  stanzaId: 'urn:xmpp:sid:0',
  stanzas: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  stream: 'http://etherx.jabber.org/streams',
  streams: 'urn:ietf:params:xml:ns:xmpp-streams',
  upload: 'urn:xmpp:http:upload:0',
  vcard: 'vcard-temp',
  xbosh: 'urn:xmpp:xbosh',
};

/** Text that is markup already, so that `xml` does not escape it again. */
class Markup {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/** Take text that `xml` has made, and that was kept as a string meanwhile, for markup again. */
export function markup(text) {
  return new Markup(text);
}

// Characters that XML 1.0 section 2.2 does not allow, lone surrogates among them.
const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/** The text without the characters that cannot be sent. */
export function sendable(text) {
  return text.replace(FORBIDDEN, '');
}

function escape(value) {
  return sendable(String(value)).replace(/[&<>"']/g, (c) => ENTITIES[c]);
}

function fill(value) {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(fill).join('');
  return escape(value);
}

/** A template tag: xml`<body>${text}</body>` escapes what is filled in, markup and lists of it aside. */
export function xml(strings, ...values) {
  return new Markup(strings.reduce((text, part, i) => text + fill(values[i - 1]) + part));
}

// Where a page's policy wants types for what is parsed (Trusted Types): this makes XML, no page.
const types = globalThis.trustedTypes?.createPolicy('andiron', { createHTML: (text) => text });

/**
 * Parse one top-level element.
 *
 * A browser reports an error as an element in the document. That is not looked
 * for: a stranger's message could contain one, and the server has refused what
 * is not well-formed already.
 */
export function parse(text) {
  return new DOMParser().parseFromString(types?.createHTML(text) ?? text, 'text/xml').documentElement;
}

/** The first child element with this name and namespace, or undefined. */
export function child(element, name, namespace = element.namespaceURI) {
  for (const node of element.children) {
    if (node.localName === name && node.namespaceURI === namespace) return node;
  }
  return undefined;
}

/** The defined condition and the text of a stream, stanza or SASL error. */
export function condition(error, namespace) {
  const found = [...error.children].find(
    (node) => node.namespaceURI === namespace && node.localName !== 'text',
  );
  return {
    name: found?.localName ?? 'undefined-condition',
    text: child(error, 'text', namespace)?.textContent.trim() ?? '',
  };
}

/** The same of a stanza that is an error; `absent` is its condition where nothing says what is wrong. */
export function stanzaError(stanza, absent = 'undefined-condition') {
  const error = child(stanza, 'error');
  return error ? condition(error, NS.stanzas) : { name: absent, text: '' };
}

/** An unguessable id; randomUUID would need a secure context. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The bare address of a full one. */
export function bare(jid) {
  const slash = jid.indexOf('/');
  return slash < 0 ? jid : jid.slice(0, slash);
}

/** The host, or `own` where that is the one it names in another spelling. */
export function spelled(host, own) {
  return inDns(host) === inDns(own) ? own : host;
}

function inDns(host) {
  try {
    return new URL(`http://${host}`).hostname.replace(/\.$/, '');
  } catch {
    return host;
  }
}
