/** The operator's page: who may see it, and which of its views is seen. */

import { Accounts } from './accounts.js';
import { Api } from './api.js';
import { Detail } from './detail.js';
import { ask } from './dialogs.js';
import { byId, counted, write } from './dom.js';
import { Live } from './live.js';
import { Rooms } from './rooms.js';
import { Sessions } from './sessions.js';
import { SettingList } from './settings.js';

const WORDS = { live: 'live', paused: 'paused', waiting: 'connecting' };
const ways = new Set(document.querySelector('meta[name="andiron-ways"]').content.split(' '));

const api = new Api();
const again = () => live.now();
const detail = new Detail(api, again);
const views = {
  sessions: new Sessions(api, (session) => detail.show(session), again),
  rooms: new Rooms(api, again),
  accounts: new Accounts(api, again),
  settings: new SettingList(api),
};
const live = new Live(() => views[viewNow()].refresh(), tell);

function viewNow() {
  const name = location.hash.slice(1);
  return Object.hasOwn(views, name) ? name : 'sessions';
}

function tell(state, error) {
  if (error?.status === 401 || error?.status === 403) {
    lock(api.hasToken ? error.message : '');
    return;
  }
  byId('live').dataset.live = state;
  write(byId('live').querySelector('.word'), state === 'lost' ? error.message : WORDS[state]);
}

function show() {
  const now = viewNow();
  for (const name of Object.keys(views)) byId(name).hidden = name !== now;
  for (const link of document.querySelectorAll('nav a')) link.ariaCurrent = link.hash === `#${now}` ? 'page' : null;
  scrollTo(0, 0);
  live.now();
}

/** Let in whom the server lets in, or say why not. */
async function enter() {
  byId('gate-problem').textContent = '';
  try {
    await views.sessions.refresh();
  } catch (error) {
    const asked = api.hasToken || error.status === 0;
    if (error.status === 401 || error.status === 429) api.use('');
    lock(asked || !ways.has('token') ? error.message : '');
    return;
  }
  document.body.dataset.state = 'in';
  byId('gate').hidden = true;
  byId('views').hidden = false;
  byId('token').value = '';
  byId('sign-out').hidden = !api.hasToken;
  show();
  live.start();
}

function lock(problem) {
  live.stop();
  detail.close();
  byId('ask').close();
  document.body.dataset.state = 'out';
  byId('views').hidden = true;
  byId('gate').hidden = false;
  for (const each of document.querySelectorAll('#gate [data-way]')) each.hidden = !ways.has(each.dataset.way);
  byId('gate-problem').textContent = problem;
  if (ways.has('token')) byId('token').focus();
}

byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  api.use(byId('token').value.trim());
  enter();
});
byId('again').addEventListener('click', enter);
byId('sign-out').addEventListener('click', () => {
  api.use('');
  location.reload();
});
byId('announce').addEventListener('click', () => ask({
  title: 'Announce to all',
  text: 'All who are online are told, as by the site. Nothing keeps it for others.',
  verb: 'Announce',
  fields: [
    { name: 'subject', label: 'Subject', maxLength: 1000 },
    { name: 'body', label: 'What to say', rows: 4, required: true },
  ],
  run: async (given) => `${counted(await api.post('/announcements', given), 'session')} told.`,
}));
addEventListener('hashchange', show);

if (ways.has('site') || api.hasToken) enter();
else lock('');
