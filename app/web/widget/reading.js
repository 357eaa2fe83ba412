/** What stands in a message (RFC 6121 section 5), whoever brought it. */

import { child, newId, NS } from './xml.js';

/** When it was said, if that was earlier (XEP-0203); else NaN. */
function stampOf(holder) {
  return Date.parse(child(holder, 'delay', NS.delay)?.getAttribute('stamp') ?? '');
}

/** The chat state that it tells (XEP-0085), or undefined. */
export function chatState(stanza) {
  return [...stanza.children].find((node) => node.namespaceURI === NS.chatstates)?.localName;
}

/** The message that another one carries (XEP-0297) and its stamp, or undefined. */
export function forwarded(holder) {
  const carrier = holder && child(holder, 'forwarded', NS.forward);
  const message = carrier && child(carrier, 'message', NS.client);
  return message && { message, stamp: stampOf(carrier) };
}

/** What somebody wrote, and the file that it stands for (XEP-0066); null where nobody wrote anything. */
export function readMessage(stanza, stamp = stampOf(stanza)) {
  const text = child(stanza, 'body')?.textContent;
  if (!text) return null;
  const data = child(stanza, 'x', NS.oob);
  const url = data && child(data, 'url')?.textContent;
  const delayed = !Number.isNaN(stamp);
  return {
    id: stanza.getAttribute('id') || newId(),
    text,
    file: url === text ? url : '',
    time: delayed ? stamp : Date.now(),
    delayed,
  };
}
