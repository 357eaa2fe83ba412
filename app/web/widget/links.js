/** Links in what people write. */

import { h } from './dom.js';

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/gi;

/** Cut what belongs to the sentence, not to the address: final punctuation, an unopened bracket. */
function trim(address) {
  let end = address.length;
  for (;;) {
    const last = address[end - 1];
    const unopened = last === ')' && !address.slice(0, end).includes('(');
    if (!unopened && !'.,;:!?\'’”»'.includes(last)) return address.slice(0, end);
    end -= 1;
  }
}

/** A link to an http or https address, which opens in a window of its own. */
export function webLink(href, attributes, ...children) {
  return h('a', { href, target: '_blank', rel: 'noopener noreferrer', ...attributes }, ...children);
}

/** Text as a list of strings and, for http and https addresses only, links. */
export function autolink(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(from, match.index), webLink(address, {}, address));
    from = match.index + address.length;
  }
  parts.push(text.slice(from));
  return parts;
}
