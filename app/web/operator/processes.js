/** The processes that serve the chat: the one that is home, and the doors that relay to it. */

import { byId, bytes, count, keep, make, moment, seconds, write } from './dom.js';

const QUIET = 3; // seconds without a sign of life that are worth a word
const none = '–';

/** Columns: what they are called, and what stands there of a process with so many sessions. */
const COLUMNS = [
  { title: 'Process', kind: 'mono name', text: ({ name }) => name },
  { title: 'Role', kind: 'state', text: ({ home, silent }) => `${home ? 'home' : 'door'}${silent > QUIET ? `, silent for ${seconds(silent)}` : ''}` },
  { title: 'Sessions', kind: 'number', about: 'Those whose connection is by it', text: (_process, sessions) => count(sessions) },
  { title: 'Relayed', kind: 'number', about: 'Requests and WebSockets that it passes on to the home now', text: ({ home, relayed }) => (home ? none : count(relayed)) },
  { title: 'Memory', kind: 'number', text: ({ memory }) => (memory === null ? none : bytes(memory)) },
  { title: 'Lag', kind: 'number', about: 'How late its event loop was at worst in the last ten seconds', text: ({ lag }) => (lag === null ? none : `${Math.round(lag * 1000)} ms`) },
  { title: 'Since', kind: 'since', text: ({ since }) => moment(since) },
  { title: 'Version', kind: 'release', text: ({ version }) => version },
];

export class Processes {
  #table = byId('process-table');

  constructor() {
    this.#table.tHead.rows[0].append(
      ...COLUMNS.map(({ title, kind, about = '' }) => make('th', { scope: 'col', className: kind, title: about }, title)),
    );
  }

  /** Show them, with how many sessions each has by its name; none where there is nothing to tell. */
  tell(processes, sessions) {
    byId('processes').hidden = !processes.length;
    keep(this.#table.tBodies[0], processes, ({ name }) => name,
      () => make('tr', {}, ...COLUMNS.map(({ title, kind }) => make('td', { className: kind, data: { label: title } }))),
      (row, process) => {
        row.dataset.state = process.silent > QUIET ? 'detached' : 'bound';
        COLUMNS.forEach(({ text }, at) => write(row.cells[at], text(process, sessions[process.name] ?? 0)));
      });
  }
}
