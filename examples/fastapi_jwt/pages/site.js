/** Signing in and out: the page holds the token as long as its tab is there. */

const chat = document.querySelector('andiron-chat');
const form = document.getElementById('sign-in');
const out = document.getElementById('sign-out');

function show() {
  const token = sessionStorage.getItem('token');
  form.hidden = token !== null;
  out.hidden = token === null;
  if (token !== null) chat.getToken = async () => sessionStorage.getItem('token');
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  const answer = await fetch('/token', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  if (!answer.ok) return;
  sessionStorage.setItem('token', (await answer.json()).token);
  form.reset();
  show();
});

out.addEventListener('click', async () => {
  const token = sessionStorage.getItem('token');
  sessionStorage.removeItem('token');
  await fetch('/sign-out', { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
  show();
});

show();
