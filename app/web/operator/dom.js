/** Elements, made of text alone, and numbers as people read them. */

export const byId = (id) => document.getElementById(id);

/** Make an element; `made` are properties, `data` and `on` among them, and the rest is its content. */
export function make(tag, made = {}, ...content) {
  const { data = {}, on = {}, attributes = {}, ...properties } = made;
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...content.filter((part) => part !== null));
  return element;
}

/** Write a text where it is not written yet, so that a selection stays. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Let a parent have a child for each item, in their order; children that are there stay, and the
 * focus with them.
 */
export function keep(parent, items, keyOf, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = known.get(key);
    if (child === undefined) {
      child = create(item);
      child.dataset.key = key;
    }
    known.delete(key);
    update(child, item);
    const place = before === null ? parent.firstElementChild : before.nextElementSibling;
    if (place !== child) parent.insertBefore(child, place);
    before = child;
  }
  for (const child of known.values()) child.remove();
}

const numbers = new Intl.NumberFormat('en');
export const count = (number) => numbers.format(number);

/** `1 session`, `2 sessions`. */
export const counted = (number, word) => `${count(number)} ${word}${number === 1 ? '' : 's'}`;

export function bytes(number) {
  if (number < 1024) return `${number} B`;
  const units = ['KiB', 'MiB', 'GiB'];
  let value = number;
  let unit = '';
  for (const next of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function seconds(number) {
  const whole = Math.floor(number);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
}

export const moment = (text) => new Date(text).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });
export const timeOf = (text) => new Date(text).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' });
