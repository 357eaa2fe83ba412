/** Converse.js, signed in by the token that the page holds. */

const token = sessionStorage.getItem('token');
const here = `${location.host}/chat`;
const secure = location.protocol === 'https:';

if (token) {
  const { sub } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  converse.initialize({
    authentication: 'login',
    auto_login: true,
    jid: `${sub}@localhost`,
    password: token,
    websocket_url: `${secure ? 'wss' : 'ws'}://${here}/ws`,
    bosh_service_url: `${location.protocol}//${here}/http-bind`,
    discover_connection_methods: false,
    assets_path: '/converse.js/',
    i18n: 'en',
  });
} else {
  location.replace('/');
}
