/** Converse.js, signed in as the site's visitor. */

const { jid } = await (await fetch('/me')).json();
const here = `${location.host}/chat`;
const secure = location.protocol === 'https:';

if (jid) {
  converse.initialize({
    authentication: 'external',
    auto_login: true,
    jid,
    websocket_url: `${secure ? 'wss' : 'ws'}://${here}/ws`,
    bosh_service_url: `${location.protocol}//${here}/http-bind`,
    discover_connection_methods: false,
    assets_path: '/converse.js/',
    i18n: 'en',
  });
} else {
  location.replace('/');
}
