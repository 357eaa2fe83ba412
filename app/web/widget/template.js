/** What the component consists of, before anything is in it. */

import { h, icon, iconButton } from './dom.js';

/** Everything within the shadow root; `say` has the words. */
export function template(say) {
  return [gate(say), h('div', { id: 'app', class: 'app', hidden: true }, banner(), people(say), thread(say))];
}

function banner() {
  return h('div', { id: 'banner', class: 'banner', hidden: true },
    h('p', { id: 'banner-text', role: 'status' }),
    h('button', { id: 'banner-button', class: 'quiet', type: 'button' }));
}

function gate(say) {
  return h('section', { id: 'gate', class: 'gate', part: 'gate' },
    h('div', { id: 'stranger', hidden: true },
      h('p', { id: 'gate-words', role: 'status' }),
      h('button', { id: 'gate-button', class: 'primary', type: 'button', hidden: true }),
      h('slot', { name: 'stranger', id: 'stranger-slot' })),
    signIn(say));
}

function signIn(say) {
  return h('form', { id: 'sign-in', class: 'sign-in', autocomplete: 'on', 'aria-labelledby': 'sign-in-title', hidden: true },
    h('slot', { name: 'mark' }),
    h('h2', { id: 'sign-in-title' }),
    h('p', { id: 'sign-in-error', class: 'error', role: 'alert', hidden: true }),
    h('label', { for: 'name' }, say('name')),
    h('input', { id: 'name', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true }),
    h('label', { for: 'password' }, say('password')),
    h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true }),
    h('button', { class: 'primary', type: 'submit' }, say('signIn')));
}

function people(say) {
  return h('nav', { id: 'people', class: 'people', part: 'people', 'aria-label': say('conversations') },
    h('div', { class: 'brand' }, h('slot', { name: 'title' }, h('h2', {}, say('chat')))),
    h('ul', { id: 'asking', class: 'asking', 'aria-label': say('requests'), hidden: true }),
    h('ul', { id: 'conversations', class: 'conversations', 'aria-label': say('conversations') }),
    h('p', { class: 'lonely soft' }, say('nobodyHint')),
    h('form', { id: 'add', class: 'add' },
      h('label', { for: 'add-name' }, say('addLabel')),
      h('div', { class: 'field' },
        h('input', { id: 'add-name', autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', placeholder: say('addHint'), 'aria-describedby': 'add-error' }),
        iconButton('add', say('add'), { type: 'submit', id: 'add-person' }),
        iconButton('room', say('join'), { type: 'submit', id: 'add-room' })),
      h('p', { id: 'add-error', class: 'error', role: 'alert', hidden: true })),
    h('div', { class: 'self' },
      h('span', { id: 'self-name', class: 'self-name' }),
      h('button', { id: 'sign-out', class: 'quiet', type: 'button', hidden: true }, say('signOut'))));
}

function thread(say) {
  return h('section', { id: 'chat', class: 'chat', part: 'chat', 'aria-labelledby': 'peer-name' },
    h('header', { class: 'chat-head' },
      h('button', { id: 'open-people', class: 'icon', type: 'button', title: say('back'), 'aria-label': say('back') },
        icon('back'), h('span', { id: 'elsewhere', class: 'dot', hidden: true })),
      h('div', { class: 'peer' }, h('h2', { id: 'peer-name' }), h('p', { id: 'peer-state', class: 'soft' })),
      h('slot', { name: 'actions' }),
      h('button', { id: 'befriend', class: 'quiet', type: 'button', hidden: true }, say('befriend')),
      iconButton('people', '', { id: 'open-occupants', 'aria-expanded': 'false', 'aria-controls': 'occupants', hidden: true }),
      iconButton('leave', say('leave'), { id: 'leave', hidden: true })),
    h('ul', { id: 'occupants', class: 'occupants', hidden: true }),
    h('div', { id: 'scroller', class: 'scroller', tabindex: '0', role: 'region', 'aria-label': say('messages') },
      h('div', { class: 'earlier' }, h('button', { id: 'earlier', class: 'quiet', type: 'button', hidden: true }, say('earlier'))),
      h('div', { id: 'empty', class: 'empty' }, h('p', { id: 'empty-text' }), h('p', { id: 'empty-hint', class: 'soft' })),
      h('ol', { id: 'messages', class: 'messages', role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions', 'aria-label': say('messages') })),
    h('div', { class: 'below' },
      h('p', { id: 'typing', class: 'typing', 'aria-live': 'polite' }),
      h('button', { id: 'to-end', class: 'to-end', type: 'button', hidden: true }, icon('down'), h('span', { id: 'to-end-text' }, say('latest')))),
    composer(say));
}

function composer(say) {
  return h('form', { id: 'composer', class: 'composer' },
    h('p', { id: 'sending', class: 'sending', role: 'status' }),
    iconButton('file', say('file'), { id: 'attach' }),
    h('input', { id: 'file', type: 'file', hidden: true, 'aria-label': say('file') }),
    h('label', { class: 'visually-hidden', for: 'text' }, say('message')),
    h('textarea', { id: 'text', rows: '1', placeholder: say('write'), maxlength: '10000', enterkeyhint: 'send', 'aria-describedby': 'keys' }),
    h('span', { id: 'keys', class: 'visually-hidden' }, say('keys')),
    h('button', { class: 'send', type: 'submit', title: say('send'), 'aria-label': say('send') }, icon('send')));
}
