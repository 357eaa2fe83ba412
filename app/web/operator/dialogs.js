/** Dialogs: one that asks before something is done, and a word that says what was done. */

import { byId, make } from './dom.js';

const dialog = byId('ask');
let act = null;
let busy = false;

for (const each of document.querySelectorAll('dialog')) {
  for (const button of each.querySelectorAll('[data-close]')) button.addEventListener('click', () => each.close());
  // The backdrop is the dialog itself, and what is in it is not.
  each.addEventListener('click', (event) => event.target === each && each.close());
}

dialog.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (busy) return;
  busy = true;
  byId('ask-do').disabled = true;
  byId('ask-problem').textContent = '';
  const given = Object.fromEntries(new FormData(event.target));
  try {
    say(await act(given));
    dialog.close();
  } catch (error) {
    byId('ask-problem').textContent = error.message;
  }
  busy = false;
  byId('ask-do').disabled = false;
});

/**
 * Ask whether to do something, with fields to fill in; `run` is given them and returns the sentence
 * that says what was done.
 */
export function ask({ title, text, verb, fields = [], run }) {
  act = run;
  byId('ask-title').textContent = title;
  byId('ask-text').textContent = text;
  byId('ask-do').textContent = verb;
  byId('ask-problem').textContent = '';
  byId('ask-fields').replaceChildren(
    ...fields.map(({ name, label, rows = 0, required = false, maxLength }) => {
      const field = make(rows ? 'textarea' : 'input', { name, required, autocomplete: 'off', ...(rows ? { rows } : {}) });
      if (maxLength) field.maxLength = maxLength;
      return make('label', {}, make('span', {}, label), field);
    }),
  );
  dialog.showModal();
  (dialog.querySelector('input, textarea') ?? byId('ask-do')).focus();
}

let timer = 0;

/** Say something for some seconds. */
export function say(sentence, wrong = false) {
  const said = byId('said');
  said.textContent = sentence;
  said.classList.toggle('wrong', wrong);
  said.hidden = false;
  // A modal dialog covers what is not in the top layer.
  said.popover ??= 'manual';
  said.hidePopover();
  said.showPopover();
  clearTimeout(timer);
  timer = setTimeout(() => {
    said.hidePopover();
    said.hidden = true;
  }, 6_000);
}
