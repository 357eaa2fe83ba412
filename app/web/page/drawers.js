/** The side panels, which are drawers where the window is too narrow for them. */

const DRAWERS = [
  { panel: 'people', opener: 'open-people', narrow: '(max-width: 47.99rem)' },
  { panel: 'stream', opener: 'open-stream', narrow: '(max-width: 67.99rem)' },
];

const byId = (id) => document.getElementById(id);

export class Drawers {
  #open = null;

  constructor() {
    for (const drawer of DRAWERS) {
      drawer.media = matchMedia(drawer.narrow);
      drawer.media.addEventListener('change', () => this.close());
      byId(drawer.opener).addEventListener('click', () => this.#show(drawer));
      byId(drawer.panel).querySelector('[data-close]').addEventListener('click', () => this.close());
    }
    byId('backdrop').addEventListener('click', () => this.close());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    this.#apply();
  }

  close() {
    const drawer = this.#open;
    this.#open = null;
    this.#apply();
    if (drawer?.media.matches) byId(drawer.opener).focus();
  }

  #show(drawer) {
    this.#open = drawer;
    this.#apply();
    byId(drawer.panel).querySelector('[data-close]').focus();
  }

  // What is out of sight, or behind an open drawer, takes no focus.
  #apply() {
    for (const drawer of DRAWERS) {
      const { panel, opener, media } = drawer;
      const open = drawer === this.#open;
      byId(panel).classList.toggle('open', open);
      byId(panel).inert = media.matches ? !open : this.#open !== null;
      byId(opener).setAttribute('aria-expanded', open);
    }
    byId('chat').inert = this.#open !== null;
    byId('backdrop').hidden = this.#open === null;
  }
}
