/** Elements out of words: no markup is ever parsed, so that no text can become any. */

const SVG = 'http://www.w3.org/2000/svg';

/** Lines of the symbols, drawn in a square of 24. */
const LINES = {
  add: 'M12 5v14M5 12h14',
  back: 'M15 5l-7 7 7 7',
  down: 'M12 5v14M5.5 12.5 12 19l6.5-6.5',
  file: 'M19 11.5 12 18.4a4.5 4.5 0 0 1-6.4-6.3l7.2-7.2a3 3 0 0 1 4.3 4.3L10 16.3a1.5 1.5 0 0 1-2.1-2.1l6.4-6.4',
  leave: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  people: 'M9 11a3.2 3.2 0 1 0 0-6.4A3.2 3.2 0 0 0 9 11zM3 19.5c0-3.2 2.6-5 6-5s6 1.8 6 5M16 5a3 3 0 0 1 0 5.8M17.5 14.8c2.2.5 3.5 2 3.5 4.7',
  room: 'M5 9.5h14M4.5 14.5h14M10 4.5l-2 15M16 4.5l-2 15',
  send: 'M12 19V5M5.5 11.5 12 5l6.5 6.5',
};

/** Those of what became of a message, in 20 by 14. */
const TICKS = {
  queued: 'M18 7a5 5 0 1 1-10 0 5 5 0 0 1 10 0zM13 4.2V7l2 1.3',
  acked: 'm9 7.5 3 3L18 3.5',
  delivered: 'm2.5 7.5 3 3 6-7M8.6 9.6l.9.9 6-7',
  read: 'm2.5 7.5 3 3 6-7M8.6 9.6l.9.9 6-7',
  failed: 'M18.5 7a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0zM13 4v3.5M13 9.8v.2',
};

/** An element with attributes (false and null are none, true is an empty one) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** A button that shows a symbol and says a word. */
export function iconButton(symbol, label, attributes = {}) {
  return h('button', { type: 'button', class: 'icon', title: label, 'aria-label': label, ...attributes }, icon(symbol));
}

/** Have a button offer this; without words it offers nothing, and is not to be seen. */
export function offer(button, words, act) {
  button.hidden = !words;
  button.textContent = words;
  button.onclick = act;
}

export function icon(symbol) {
  return drawing(LINES[symbol], '0 0 24 24');
}

/** What became of an own message, with the word for it. */
export function tick(state, word) {
  const svg = drawing(TICKS[state], '0 0 20 14');
  const title = document.createElementNS(SVG, 'title');
  title.textContent = word;
  svg.prepend(title);
  svg.setAttribute('class', 'tick');
  svg.setAttribute('role', 'img');
  svg.removeAttribute('aria-hidden');
  return svg;
}

function drawing(lines, box) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', box);
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', lines);
  svg.append(path);
  return svg;
}
