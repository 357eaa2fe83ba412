/** The rooms, and who is in one. */

import { part } from './api.js';
import { ask } from './dialogs.js';
import { byId, count, counted, keep, make, write } from './dom.js';

const SIZE = 100;
const MOST = 1000;

const kinds = (room) => [
  room.public ? 'public' : 'hidden',
  room.persistent && 'persistent',
  room.members_only && 'members only',
  room.moderated && 'moderated',
  room.has_password && 'password',
  room.archived && 'archived',
].filter(Boolean).join(', ');

export class Rooms {
  #api;
  #changed;
  #size = SIZE;
  #body = byId('room-table').tBodies[0];

  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
    byId('more-rooms').addEventListener('click', () => {
      this.#size = Math.min(MOST, this.#size + SIZE);
      changed();
    });
  }

  async refresh() {
    const { rooms, complete } = await this.#api.get('/rooms', { size: this.#size });
    const empty = byId('room-table').nextElementSibling;
    byId('room-table').hidden = !rooms.length;
    empty.hidden = rooms.length > 0;
    write(empty, 'There is no room.');
    write(byId('room-range'), rooms.length ? (complete ? counted(rooms.length, 'room') : `The first ${count(rooms.length)} rooms`) : '');
    byId('more-rooms').hidden = complete || this.#size === MOST;
    keep(this.#body, rooms, ({ address }) => address, () => this.#row(), (row, room) => {
      row.room = room;
      const [address, inside, kind, subject] = row.cells;
      write(address.firstElementChild.firstElementChild, room.name || room.address.split('@')[0]);
      write(address.firstElementChild.lastElementChild, room.address);
      write(inside, count(room.occupants));
      write(kind, kinds(room));
      write(subject, room.subject || '–');
    });
  }

  #row() {
    const row = make('tr', { on: { click: () => this.#show(row.room) } },
      make('td', { className: 'address stacked', data: { label: 'Room' } }, make('button', { type: 'button' }, make('span'), make('span', { className: 'soft' }))),
      make('td', { className: 'number', data: { label: 'In it' } }),
      make('td', { data: { label: 'Kind' } }),
      make('td', { className: 'long', data: { label: 'Subject' } }));
    return row;
  }

  async #show(room) {
    byId('detail-title').textContent = room.name || room.address;
    const list = make('ul', { className: 'list' });
    const problem = make('p', { className: 'problem', role: 'status' });
    byId('detail-body').replaceChildren(
      make('dl', { className: 'facts' }, ...[['Address', room.address], ['Kind', kinds(room)], ['Description', room.description || '–'], ['Subject', room.subject || '–']]
        .map(([name, text]) => make('div', {}, make('dt', {}, name), make('dd', {}, text)))),
      problem,
      make('div', { className: 'buttons' }, make('button', { type: 'button', className: 'danger', on: { click: () => this.#destroy(room) } }, 'Destroy room…')),
      make('h3', {}, 'Who is in it'), list);
    byId('detail').showModal();
    try {
      const people = await this.#api.get(`/rooms/${part(room.address)}/occupants`);
      list.replaceChildren(...people.map(({ nick, account, role, affiliation, sessions }) => make('li', {},
        make('div', {}, make('strong', {}, nick), make('span', { className: 'soft' }, account)),
        make('span', { className: 'soft' }, [role, affiliation === 'none' ? '' : affiliation, sessions > 1 ? counted(sessions, 'session') : ''].filter(Boolean).join(', ')))));
      if (!people.length) list.replaceWith(make('p', { className: 'soft' }, 'Nobody.'));
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  #destroy(room) {
    ask({
      title: `Destroy ${room.address}?`,
      text: 'The room ends with its archive, for good. Those in it are told the reason.',
      verb: 'Destroy room',
      fields: [{ name: 'reason', label: 'Reason', maxLength: 1000 }],
      run: async ({ reason }) => {
        await this.#api.delete(`/rooms/${part(room.address)}`, reason ? { reason } : {});
        byId('detail').close();
        this.#changed();
        return `${room.address} was destroyed.`;
      },
    });
  }
}
