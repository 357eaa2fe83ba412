/** The side panel, which is a drawer where the window is too narrow for it. */

const NARROW = matchMedia('(max-width: 67.99rem)');

const byId = (id) => document.getElementById(id);

export class Drawer {
  #panel;
  #opener;
  #behind;
  #open = false;

  /** `panel` and `opener` are ids, `behind` is what an open drawer hides. */
  constructor(panel, opener, behind) {
    this.#panel = byId(panel);
    this.#opener = byId(opener);
    this.#behind = behind;
    NARROW.addEventListener('change', () => this.close());
    this.#opener.addEventListener('click', () => this.#show());
    this.#close.addEventListener('click', () => this.close());
    byId('backdrop').addEventListener('click', () => this.close());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    this.#apply();
  }

  close() {
    if (!this.#open) {
      this.#apply();
      return;
    }
    this.#open = false;
    this.#apply();
    if (NARROW.matches) this.#opener.focus();
  }

  get #close() {
    return this.#panel.querySelector('[data-close]');
  }

  #show() {
    this.#open = true;
    this.#apply();
    this.#close.focus();
  }

  // What is out of sight, or behind an open drawer, takes no focus.
  #apply() {
    this.#panel.classList.toggle('open', this.#open);
    this.#panel.inert = NARROW.matches && !this.#open;
    this.#opener.setAttribute('aria-expanded', this.#open);
    this.#behind.inert = this.#open;
    byId('backdrop').hidden = !this.#open;
  }
}
