/** The accounts that are disabled. */

import { part } from './api.js';
import { askToDisable } from './detail.js';
import { ask } from './dialogs.js';
import { byId, keep, make } from './dom.js';

export class Accounts {
  #api;
  #changed;

  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
    byId('disable-form').addEventListener('submit', (event) => {
      event.preventDefault();
      askToDisable(api, byId('account').value.trim(), () => {
        byId('account').value = '';
        changed();
      });
    });
  }

  async refresh() {
    const names = await this.#api.get('/disabled-accounts');
    byId('no-disabled').hidden = names.length > 0;
    keep(byId('disabled'), names, (name) => name,
      (name) => make('li', {}, make('strong', {}, name), make('button', { type: 'button', className: 'quiet', on: { click: () => this.#enable(name) } }, 'Enable…')),
      () => {});
  }

  #enable(name) {
    ask({
      title: `Enable ${name}?`,
      text: 'Its owner can sign in again.',
      verb: 'Enable account',
      run: async () => {
        await this.#api.delete(`/disabled-accounts/${part(name)}`);
        this.#changed();
        return `${name} can sign in again.`;
      },
    });
  }
}
