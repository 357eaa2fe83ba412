/** Links in what people write. */

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

/** Text as a list of strings and, for http and https addresses only, links. */
export function autolink(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    if (!URL.canParse(address)) continue;
    const link = document.createElement('a');
    link.href = address;
    link.textContent = address;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    parts.push(text.slice(from, match.index), link);
    from = match.index + address.length;
  }
  parts.push(text.slice(from));
  return parts;
}
