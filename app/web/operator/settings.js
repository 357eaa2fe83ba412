/** The settings that can be changed while the server runs. */

import { part } from './api.js';
import { say } from './dialogs.js';
import { byId, keep, make, write } from './dom.js';

const CHOICES = 'one of ';

const shown = (value) => (Array.isArray(value) ? value.join(', ') || 'none' : value === '' ? 'empty' : String(value));

export class SettingList {
  #api;

  constructor(api) {
    this.#api = api;
  }

  async refresh() {
    const settings = await this.#api.get('/settings');
    keep(byId('setting-list'), settings, ({ name }) => name, (setting) => this.#create(setting), (form, setting) => form.take(setting));
  }

  #create(setting) {
    const { name, openfire, meaning, expected } = setting;
    const control = controlFor(setting);
    const problem = make('p', { className: 'problem', role: 'status' });
    const save = make('button', { type: 'submit', className: 'primary', hidden: true }, 'Save');
    const undo = make('button', { type: 'button', className: 'quiet', hidden: true }, 'Undo');
    const fallback = make('p', { className: 'soft fallback' });
    const id = `set-${name}`;
    control.element.id = id;
    control.element.setAttribute('aria-describedby', `${id}-about`);
    const form = make('form', { className: 'setting' },
      make('div', { className: 'about' },
        make('label', { htmlFor: id }, name),
        openfire ? make('p', { className: 'soft openfire' }, `Openfire: ${openfire}`) : null,
        make('p', { id: `${id}-about` }, meaning.replaceAll('`', '')),
        fallback, problem),
      make('div', { className: 'control' }, control.element, make('div', { className: 'control-buttons' }, save, undo)));
    let former = setting;
    const look = () => {
      const dirty = JSON.stringify(control.read()) !== JSON.stringify(former.value);
      save.hidden = undo.hidden = !dirty;
      if (!dirty) problem.textContent = '';
    };
    form.take = (now) => {
      const dirty = !save.hidden;
      former = now;
      write(fallback, `${expected[0].toUpperCase()}${expected.slice(1)}; the default is ${shown(now.default)}.`);
      if (!dirty && document.activeElement !== control.element) control.write(now.value);
      look();
    };
    control.element.addEventListener('input', look);
    control.element.addEventListener('change', look);
    undo.addEventListener('click', () => {
      control.write(former.value);
      look();
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      save.disabled = true;
      problem.textContent = '';
      try {
        const now = await this.#api.put(`/settings/${part(name)}`, { value: control.read() });
        control.write(now.value);
        former = now;
        look();
        say(`${name} is ${shown(now.value)} now.`);
      } catch (error) {
        problem.textContent = error.message;
      }
      save.disabled = false;
    });
    return form;
  }
}

/** Return what a value is entered by, with how it is read and written. */
function controlFor({ value, expected }) {
  if (typeof value === 'boolean') {
    const element = make('input', { type: 'checkbox', className: 'toggle', attributes: { role: 'switch' } });
    return { element, read: () => element.checked, write: (now) => { element.checked = now; } };
  }
  if (Array.isArray(value)) {
    const element = make('textarea', { rows: 2, autocomplete: 'off', spellcheck: false, placeholder: 'one a line' });
    return {
      element,
      read: () => element.value.split(/[\s,]+/).filter(Boolean),
      write: (now) => { element.value = now.join('\n'); },
    };
  }
  if (expected.startsWith(CHOICES)) {
    const element = make('select', {}, ...expected.slice(CHOICES.length).split(', ').map((word) => make('option', {}, word)));
    return { element, read: () => element.value, write: (now) => { element.value = now; } };
  }
  if (typeof value === 'number') {
    const element = make('input', { type: 'number', step: 'any', required: true });
    return { element, read: () => element.valueAsNumber, write: (now) => { element.value = now; } };
  }
  const element = make('input', { type: 'text', autocomplete: 'off', spellcheck: false });
  return { element, read: () => element.value, write: (now) => { element.value = now; } };
}
