/** One session: all that is known of it, what can be done to it, and its trace. */

import { part } from './api.js';
import { ask, say } from './dialogs.js';
import { byId, bytes, count, counted, keep, make, moment, seconds, timeOf, write } from './dom.js';
import { Live } from './live.js';

const SHOWN = 500; // lines of a trace
const LONG = 300; // seconds that one lasts

const NOTHING = { lines: [], running_for: 0, lost: 0 };

const FACTS = [
  ['State', ({ state }) => state],
  ['Transport', ({ transport }) => transport],
  ['From', ({ ip }) => ip],
  ['Since', ({ since }) => moment(since)],
  ['Idle', ({ idle }) => seconds(idle)],
  ['Left', ({ resumable_for: left }) => (left === null ? '–' : seconds(left))],
  ['Stream management', ({ managed }) => (managed ? 'on' : 'off')],
  ['h in (handled)', ({ handled }) => count(handled)],
  ['h out (acknowledged)', ({ managed, acknowledged }) => (managed ? count(acknowledged) : '–')],
  ['Unacknowledged', ({ managed, unacknowledged, unacknowledged_bytes: size }) => (managed ? `${count(unacknowledged)} (${bytes(size)})` : '–')],
  ['In the log', ({ id }) => id],
  ['Process', ({ process }) => process || '–', 'process'],
  ['Home', ({ home }) => home, 'process'],
];

export class Detail {
  #api;
  #changed;
  #dialog = byId('detail');
  #session = null;
  #last = 0;
  #tracing = false;
  #live;
  #parts;

  /** `changed` is called when something was done. */
  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
    this.#live = new Live(() => this.#refresh(), (state, error) => state === 'lost' && this.#problem(error.message));
    this.#dialog.addEventListener('close', () => this.#live.stop());
  }

  show(session) {
    this.#session = session;
    this.#last = 0;
    this.#tracing = false;
    byId('detail-title').replaceChildren(
      make('span', {}, session.account),
      make('span', { className: 'soft' }, session.resource && `/${session.resource}`),
    );
    this.#build();
    this.#tell(session);
    this.#dialog.showModal();
    this.#live.start();
  }

  close() {
    this.#dialog.close();
  }

  #build() {
    const facts = make('dl', { className: 'facts' });
    const problem = make('p', { className: 'problem', role: 'status' });
    const end = make('button', { type: 'button', className: 'danger', on: { click: () => this.#end() } }, 'End session…');
    const disable = make('button', { type: 'button', className: 'quiet', on: { click: () => this.#disable() } }, 'Disable account…');
    const toggle = make('button', { type: 'button', className: 'switch', id: 'trace', role: 'switch', ariaChecked: 'false', on: { click: () => this.#toggle() } },
      make('span', { className: 'track', ariaHidden: 'true' }), 'Trace');
    const left = make('span', { className: 'soft', id: 'trace-left' });
    const lines = make('ol', { className: 'trace', id: 'trace-lines', tabIndex: 0, hidden: true, ariaLabel: 'Trace' });
    this.#parts = { facts, problem, end, disable, toggle, left, lines };
    byId('detail-body').replaceChildren(
      facts, problem,
      make('div', { className: 'buttons' }, end, disable),
      make('div', { className: 'trace-head' }, toggle, left),
      make('p', { className: 'soft note' }, 'What passes between server and client, for five minutes, in outline: no bodies, passwords or tokens.'),
      lines,
    );
  }

  #tell(session) {
    keep(this.#parts.facts, FACTS, ([name]) => name,
      ([name, , kind = '']) => make('div', { className: kind }, make('dt', {}, name), make('dd')),
      (fact, [, text]) => write(fact.lastElementChild, text(session)));
  }

  #problem(sentence) {
    write(this.#parts.problem, sentence);
  }

  async #refresh() {
    const { id } = this.#session;
    const now = await unlessGone(this.#api.get(`/sessions/${part(id)}`));
    if (id !== this.#session.id) return;
    const gone = now === null;
    if (!gone) this.#session = now;
    this.#parts.end.disabled = gone;
    this.#parts.toggle.disabled = gone;
    this.#problem(gone ? 'This session has ended.' : '');
    if (!gone) this.#tell(this.#session);
    await this.#readTrace();
    if (gone) this.#live.stop();
  }

  async #readTrace() {
    const { id } = this.#session;
    const trace = await unlessGone(this.#api.get(`/sessions/${part(id)}/trace`, { after: this.#last }));
    if (id === this.#session.id) this.#took(trace ?? NOTHING);
  }

  #took({ lines, running_for: left, lost }) {
    const list = this.#parts.lines;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    if (lost && this.#last) list.append(make('li', { className: 'event' }, `${counted(lost, 'line')} left out`));
    for (const { number, time, way, text } of lines) {
      // Two questions may have been on their way.
      if (number <= this.#last) continue;
      this.#last = number;
      list.append(make('li', { className: way }, make('time', { dateTime: time }, timeOf(time)), make('code', {}, text)));
    }
    while (list.childElementCount > SHOWN) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
    this.#tracing = left > 0;
    list.hidden = !this.#tracing && !list.childElementCount;
    list.classList.toggle('waiting', this.#tracing && !list.childElementCount);
    this.#parts.toggle.ariaChecked = String(this.#tracing);
    write(this.#parts.left, this.#tracing ? `${seconds(left)} left` : '');
  }

  async #toggle() {
    const path = `/sessions/${part(this.#session.id)}/trace`;
    try {
      if (this.#tracing) {
        await this.#api.delete(path);
        this.#took(NOTHING);
      } else {
        this.#last = 0;
        this.#parts.lines.replaceChildren();
        this.#took(await this.#api.put(path, { seconds: LONG }));
      }
    } catch (error) {
      say(error.message, true);
    }
  }

  #end() {
    const { id, address } = this.#session;
    ask({
      title: 'End this session?',
      text: `${address} is signed out, and may sign in again at once. What it has not acknowledged waits for the account.`,
      verb: 'End session',
      fields: [{ name: 'reason', label: 'Reason, which the client is told', maxLength: 200 }],
      run: async ({ reason }) => {
        await this.#api.delete(`/sessions/${part(id)}`, reason ? { reason } : {});
        this.#live.now();
        this.#changed();
        return `${address} was ended.`;
      },
    });
  }

  #disable() {
    const { account } = this.#session;
    askToDisable(this.#api, account, () => {
      this.#live.now();
      this.#changed();
    });
  }
}

/** Return what the server answers; null where there is no such thing any more. */
async function unlessGone(answer) {
  try {
    return await answer;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Ask whether to disable an account, and do so. */
export function askToDisable(api, account, done) {
  ask({
    title: `Disable ${account}?`,
    text: 'All its sessions end, and nobody can sign in to it until it is enabled again. All that it has stays, and messages to it wait.',
    verb: 'Disable account',
    run: async () => {
      const ended = await api.put(`/disabled-accounts/${part(account)}`);
      done();
      return `${account} is disabled; ${counted(ended, 'session')} ended.`;
    },
  });
}
