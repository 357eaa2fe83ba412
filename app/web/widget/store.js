/** What one component keeps for the next page in the same tab (sessionStorage). */

export class Store {
  #key;

  constructor(key) {
    this.#key = `andiron:${key}`;
  }

  keep(value) {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(value));
    } catch {
      // A browser may refuse to store anything: then a reload begins anew.
    }
  }

  /**
   * What was kept, which is not kept any longer: a tab that is duplicated copies what is in its
   * store, and two must not go on with one session.
   */
  take() {
    try {
      const text = sessionStorage.getItem(this.#key);
      sessionStorage.removeItem(this.#key);
      return JSON.parse(text);
    } catch {
      return null;
    }
  }
}
