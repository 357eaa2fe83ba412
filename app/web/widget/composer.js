/** Where one writes, and sends files. */

import { upload } from './files.js';
import { RequestError } from './requests.js';

export class Composer {
  #root;
  #say;
  #chat;
  #requests;
  #domain;
  #current = null;
  #drafts = new Map();

  constructor(root, say, chat, requests, domain) {
    this.#root = root;
    this.#say = say;
    this.#chat = chat;
    this.#requests = requests;
    this.#domain = domain;
    chat.addEventListener('removed', ({ detail }) => this.#drafts.delete(detail.conversation));
    chat.addEventListener('cleared', () => {
      this.#drafts.clear();
      this.#tell('');
    });
    this.#listen();
  }

  /** Write to this one from now on; what was begun to another waits there. */
  select(conversation) {
    if (this.#current) this.#drafts.set(this.#current, this.#text.value);
    this.#current = conversation;
    this.#tell('');
    this.#text.value = this.#drafts.get(conversation) ?? '';
    this.#grow();
  }

  /** Put the cursor where one writes; not on a phone, where that opens the keyboard. */
  focus() {
    if (matchMedia('(hover: hover)').matches) this.#text.focus();
  }

  get #text() {
    return this.#root.getElementById('text');
  }

  #listen() {
    const text = this.#text;
    const composer = this.#root.getElementById('composer');
    const file = this.#root.getElementById('file');
    text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    text.addEventListener('input', () => {
      this.#grow();
      if (this.#current) this.#chat.typing(this.#current, text.value.trim() !== '');
    });
    text.addEventListener('paste', ({ clipboardData }) => void this.#sendFiles(clipboardData.files));
    composer.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
      text.focus();
    });
    this.#root.getElementById('attach').addEventListener('click', () => file.click());
    file.addEventListener('change', () => {
      void this.#sendFiles(file.files);
      file.value = '';
    });
    const chat = this.#root.getElementById('chat');
    chat.addEventListener('dragover', (event) => event.preventDefault());
    chat.addEventListener('drop', (event) => {
      event.preventDefault();
      void this.#sendFiles(event.dataTransfer.files);
    });
  }

  #send() {
    const value = this.#text.value.trim();
    if (!value || !this.#current) return;
    this.#text.value = '';
    this.#tell('');
    this.#grow();
    this.#chat.send(this.#current, value);
  }

  #grow() {
    const text = this.#text;
    text.style.height = 'auto';
    text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  }

  async #sendFiles(files) {
    const conversation = this.#current;
    if (!conversation) return;
    for (const file of [...files]) await this.#sendFile(conversation, file);
  }

  async #sendFile(conversation, file) {
    const name = file.name || this.#say('file');
    const progress = (part) => this.#tell(`${this.#say('sending', { name })} ${Math.round(part * 100)} %`);
    progress(0);
    try {
      const url = await upload(this.#requests, this.#domain, file, progress);
      this.#tell('');
      this.#chat.send(conversation, url, url);
    } catch (error) {
      const refused = error instanceof RequestError && error.message === 'not-acceptable';
      this.#tell(this.#say(refused ? 'fileTooLarge' : 'fileFailed'));
    }
  }

  #tell(words) {
    this.#root.getElementById('sending').textContent = words;
  }
}
