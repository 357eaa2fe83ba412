/** The list of sessions: filtered, sorted and paged by the server. */

import { byId, bytes, count, counted, keep, make, seconds, write } from './dom.js';
import { Processes } from './processes.js';

const SIZE = 50;
const none = '–';

/** Columns: what they are called, what the server sorts by, and what stands there. */
const COLUMNS = [
  { title: 'Address', sort: 'address', kind: 'address' },
  { title: 'State', sort: 'state', kind: 'state', text: ({ state }) => state },
  { title: 'Transport', sort: 'transport', text: ({ transport }) => transport },
  { title: 'From', sort: 'ip', kind: 'mono', text: ({ ip }) => ip },
  { title: 'h in', sort: 'handled', kind: 'number', about: 'Stanzas of the client that were handled', text: ({ handled }) => count(handled) },
  { title: 'h out', sort: 'acknowledged', kind: 'number', about: 'Stanzas that the client has acknowledged', text: ({ managed, acknowledged }) => (managed ? count(acknowledged) : none) },
  { title: 'Unacked', sort: 'unacknowledged', kind: 'number', about: 'Stanzas that it has not acknowledged', text: ({ managed, unacknowledged }) => (managed ? count(unacknowledged) : none) },
  { title: 'Queue', sort: 'unacknowledged_bytes', kind: 'number', about: 'The memory that those take', text: ({ managed, unacknowledged_bytes: size }) => (managed ? bytes(size) : none) },
  { title: 'Idle', sort: 'idle', kind: 'number', about: 'Since it was last heard of', text: ({ idle }) => seconds(idle) },
  { title: 'Left', sort: 'resumable_for', kind: 'number left', about: 'For how long it waits to be resumed', text: ({ resumable_for: left }) => (left === null ? none : seconds(left)) },
  { title: 'Process', sort: 'process', kind: 'mono process', about: 'By which it came last', text: ({ process }) => process || none },
];

export class Sessions {
  #api;
  #open;
  #changed;
  #sort = 'unacknowledged';
  #descending = true;
  #start = 0;
  #text = '';
  #table = byId('table');
  #processes = new Processes();
  #typing = 0;

  /** `open` is called with a session to show, `changed` when another list is wanted. */
  constructor(api, open, changed) {
    this.#api = api;
    this.#open = open;
    this.#changed = changed;
    this.#table.tHead.rows[0].append(
      ...COLUMNS.map(({ title, sort, kind = '', about = '' }) => {
        const button = make('button', { type: 'button', title: about, on: { click: () => this.#sortBy(sort) } }, title);
        return make('th', { scope: 'col', className: kind, data: { sort } }, button);
      }),
    );
    byId('sort').append(
      ...COLUMNS.map(({ title, sort }) => make('option', { value: sort }, title)),
      make('option', { value: 'since' }, 'Since'),
    );
    this.#tellOfSeveral(false);
    byId('sort').addEventListener('change', () => this.#sortBy(byId('sort').value, this.#descending));
    byId('direction').addEventListener('click', () => this.#sortBy(this.#sort));
    byId('filter').addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#filter(), 150);
    });
    byId('filter').form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#filter();
    });
    byId('previous').addEventListener('click', () => this.#turn(this.#start - SIZE));
    byId('next').addEventListener('click', () => this.#turn(this.#start + SIZE));
    this.#mark();
  }

  /** Ask for the list, and show it. */
  async refresh() {
    const asked = { text: this.#text, sort: this.#sort, descending: this.#descending, start: this.#start, size: SIZE };
    const page = await this.#api.get('/sessions/page', asked);
    const several = Object.keys(page.processes).length > 1;
    const processes = several ? await this.#api.get('/processes') : [];
    if (asked.text !== this.#text || asked.start !== this.#start) return;
    if (!page.sessions.length && this.#start > 0 && page.found <= this.#start) {
      this.#turn(Math.max(0, Math.floor((page.found - 1) / SIZE) * SIZE));
      return;
    }
    this.#tell(page);
    this.#tellOfSeveral(several);
    this.#processes.tell(processes, page.processes);
    keep(this.#table.tBodies[0], page.sessions, ({ id }) => id, () => this.#row(), (row, one) => this.#update(row, one));
  }

  #tell({ total, found, transports, detached, unacknowledged, unacknowledged_bytes: size, sessions }) {
    const tiles = [
      ['Sessions', count(total)],
      ...Object.entries(transports).map(([name, number]) => [name === 'bosh' ? 'BOSH' : name === 'websocket' ? 'WebSocket' : name, count(number)]),
      ['Detached', count(detached)],
      ['Unacknowledged', count(unacknowledged)],
      ['Queues', bytes(size)],
    ];
    keep(byId('overview'), tiles, ([name]) => name,
      ([name]) => make('div', {}, make('dt', {}, name), make('dd')),
      (tile, [, value]) => write(tile.lastElementChild, value));
    const empty = this.#table.nextElementSibling;
    empty.hidden = sessions.length > 0;
    this.#table.hidden = !sessions.length;
    write(empty, total ? `None of ${counted(total, 'session')} has “${this.#text}”.` : 'Nobody is signed in.');
    const range = found > SIZE ? `${count(this.#start + 1)}–${count(Math.min(found, this.#start + SIZE))} of ${count(found)}` : counted(found, 'session');
    write(byId('range'), found ? range : '');
    byId('previous').disabled = this.#start === 0;
    byId('next').disabled = this.#start + SIZE >= found;
    for (const id of ['previous', 'next']) byId(id).hidden = found <= SIZE;
  }

  #tellOfSeveral(several) {
    byId('sessions').classList.toggle('several', several);
    byId('detail').classList.toggle('several', several);
    const option = byId('sort').querySelector('[value=process]');
    option.hidden = option.disabled = !several;
  }

  #row() {
    const row = make('tr', { on: { click: () => this.#open(row.session) } });
    row.append(
      ...COLUMNS.map(({ title, kind = '' }) => {
        const cell = make('td', { className: kind, data: { label: title } });
        // A click on the button is one on the row, too.
        if (kind === 'address') cell.append(make('button', { type: 'button' }, make('span'), make('span', { className: 'soft' })));
        return cell;
      }),
    );
    return row;
  }

  #update(row, session) {
    row.session = session;
    row.dataset.state = session.state;
    COLUMNS.forEach(({ kind, text }, at) => {
      const cell = row.cells[at];
      if (kind !== 'address') {
        write(cell, text(session));
        return;
      }
      const [account, resource] = cell.firstElementChild.children;
      write(account, session.account);
      write(resource, session.resource && `/${session.resource}`);
      cell.firstElementChild.title = session.address;
    });
  }

  #sortBy(sort, descending = sort === this.#sort ? !this.#descending : true) {
    this.#sort = sort;
    this.#descending = descending;
    this.#start = 0;
    this.#mark();
    this.#changed();
  }

  #mark() {
    for (const cell of this.#table.tHead.rows[0].cells) {
      const sorted = cell.dataset.sort === this.#sort;
      cell.ariaSort = sorted ? (this.#descending ? 'descending' : 'ascending') : null;
    }
    byId('sort').value = this.#sort;
    byId('direction').textContent = this.#descending ? '↓' : '↑';
    byId('direction').ariaLabel = this.#descending ? 'Descending; turn round' : 'Ascending; turn round';
  }

  #filter() {
    clearTimeout(this.#typing);
    const text = byId('filter').value.trim();
    if (text === this.#text) return;
    this.#text = text;
    this.#turn(0);
  }

  #turn(start) {
    this.#start = Math.max(0, start);
    this.#changed();
  }
}
