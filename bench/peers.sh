#!/usr/bin/env bash
# Install, configure, start and stop the peer servers that the load generator
# is also run against: Prosody and ejabberd as Debian packages them. Each serves
# plain-HTTP BOSH and WebSocket on 127.0.0.1, with stream management, no rate
# limit, rooms, no archive, and the accounts user0..userN-1, password "pw".
#
#   peers.sh install                          # Debian, as root
#   peers.sh start prosody  PORT [ACCOUNTS]   # prints the server's PID
#   peers.sh start ejabberd PORT [ACCOUNTS]
#   peers.sh pid   prosody|ejabberd
#   peers.sh stop  prosody|ejabberd
#   peers.sh version prosody|ejabberd         # as Debian has it
#
# Endpoints, the same for both:  ws://127.0.0.1:PORT/ws  http://127.0.0.1:PORT/bosh
# Domains: localhost (SASL PLAIN and SCRAM) and anon.localhost (SASL ANONYMOUS);
# rooms at conference.localhost.
#
# Environment:
#   CPUS=0         processors to pin the server to (default: not pinned)
#   STORE=plain    how passwords are kept: plain (default) or scram, which makes
#                  every SASL PLAIN sign-in derive a key (PBKDF2)
#   PROSODY=FILE   another prosody than Debian's, its prosodyctl beside it
#   EJABBERD=DIR   another ejabberd: DIR/sbin/ejabberdctl
#   PEERS_DIR=DIR  where configurations, data and logs go (default /tmp/xmpp-peers)
set -euo pipefail

PEERS_DIR=${PEERS_DIR:-/tmp/xmpp-peers}
STORE=${STORE:-plain}
CPUS=${CPUS:-}
PROSODY=${PROSODY:-prosody}
EJABBERDCTL=${EJABBERD:+$EJABBERD/sbin/}ejabberdctl
usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

as() { # USER COMMAND...: run as that user, pinned, without a process in between
  local user=$1; shift
  exec ${CPUS:+taskset -c "$CPUS"} setpriv --reuid "$user" --regid "$user" --init-groups env HOME="$dir" "$@"
}

wait_for_port() {
  for _ in $(seq 150); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.2
  done
  { echo "$name did not start:"; tail -n 5 "$dir/out.log"; } >&2
  exit 1
}

install_peers() {
  apt-get update -qq
  # policy-rc.d keeps the packages from starting their servers
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=1
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prosody ejabberd
  [ -z "$made" ] || rm -f $policy
}

configure_prosody() {
  local auth=internal_plain
  [ "$STORE" = scram ] && auth=internal_hashed
  mkdir -p "$dir/data"
  cat >"$dir/prosody.cfg.lua" <<CFG
data_path = "$dir/data"
pidfile = "$dir/prosody.pid"
log = { { levels = { min = "warn" }, to = "file", filename = "$dir/server.log" } }
network_backend = "epoll"
modules_enabled = {
  "posix", "saslauth", "roster", "disco", "ping", "smacks",
  "bosh", "websocket", "admin_shell",
}
modules_disabled = { "s2s" }
c2s_ports = {}
s2s_ports = {}
https_ports = {}
http_ports = { $port }
http_interfaces = { "127.0.0.1" }
http_default_host = "localhost"
http_paths = { bosh = "/bosh"; websocket = "/ws" }
consider_bosh_secure = true
consider_websocket_secure = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "$auth"
storage = "internal"
VirtualHost "localhost"
VirtualHost "anon.localhost"
  authentication = "anonymous"
Component "conference.localhost" "muc"
  restrict_room_creation = false
CFG
}

start_prosody() {
  configure_prosody
  chown -R prosody: "$dir"
  (as prosody "$PROSODY" -F --config "$dir/prosody.cfg.lua") </dev/null >"$dir/out.log" 2>&1 &
  echo $! >"$dir/pid"
  wait_for_port
  ( CPUS=; as prosody "${PROSODY}ctl" --config "$dir/prosody.cfg.lua" shell \
    "> local um = require 'core.usermanager'; for i = 0, $accounts - 1 do local u = 'user'..i; if not um.user_exists(u, 'localhost') then assert(um.create_user(u, 'pw', 'localhost')) end end return 'accounts: $accounts'" \
  ) >"$dir/accounts.log" 2>&1 </dev/null
  grep -q "accounts: $accounts" "$dir/accounts.log" || { cat "$dir/accounts.log" >&2; exit 1; }
}

configure_ejabberd() {
  local i format=plain
  [ "$STORE" = scram ] && format=scram
  mkdir -p "$dir/spool" "$dir/logs" "$dir/modules"
  cp /etc/ejabberd/inetrc "$dir/inetrc"
  cat >"$dir/ejabberdctl.cfg" <<CFG
ERLANG_NODE=peer@localhost
ERL_DIST_PORT=$((port + 1))
INET_DIST_INTERFACE=127.0.0.1
CONTRIB_MODULES_PATH=$dir/modules
CFG
  cat >"$dir/ejabberd.yml" <<CFG
loglevel: warning
log_rotate_count: 0
hosts: [localhost, anon.localhost]
auth_method: internal
auth_password_format: $format
host_config:
  anon.localhost:
    auth_method: [anonymous]
    anonymous_protocol: sasl_anon
    allow_multiple_connections: true
listen:
  - port: $port
    ip: "127.0.0.1"
    backlog: 1024
    module: ejabberd_http
    request_handlers:
      /bosh: mod_bosh
      /ws: ejabberd_http_ws
acl:
  local: {user_regexp: ""}
access_rules:
  c2s: {allow: all}
shaper_rules:
  max_user_sessions: 10
  c2s_shaper: none
modules:
  mod_bosh: {}
  mod_disco: {}
  mod_muc: {access_create: all, default_room_options: {max_users: 1000}, max_users: 1000}
  mod_offline: {}
  mod_ping: {}
  mod_roster: {}
  mod_stream_mgmt: {}
CFG
  { echo "<?xml version='1.0'?><server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
    for ((i = 0; i < accounts; i++)); do echo "<user name='user$i' password='pw'/>"; done
    echo "</host></server-data>"; } >"$dir/accounts.xml"
}

ejabberdctl_here() {
  as ejabberd SPOOL_DIR="$dir/spool" LOGS_DIR="$dir/logs" "$EJABBERDCTL" --config-dir "$dir" \
    --config "$dir/ejabberd.yml" --ctl-config "$dir/ejabberdctl.cfg" "$@"
}

start_ejabberd() {
  configure_ejabberd
  chown -R ejabberd: "$dir"
  (ejabberdctl_here foreground) </dev/null >"$dir/out.log" 2>&1 &
  echo $! >"$dir/pid"
  wait_for_port
  # a call of ejabberdctl starts an Erlang of its own, which takes seconds
  if ((accounts)); then
    (CPUS=; ejabberdctl_here --no-timeout import_piefxis "$dir/accounts.xml") >"$dir/accounts.log" 2>&1 </dev/null
  fi
  # the script that ejabberdctl is stays the parent; the server is its child
  pgrep -P "$(cat "$dir/pid")" >"$dir/pid.child" && mv "$dir/pid.child" "$dir/pid"
}

stop_peer() {
  local pid pids
  pid=$(cat "$dir/pid" 2>/dev/null) || return 0
  # where ejabberd did not come up, this is the script, and the server its child
  mapfile -t pids < <(echo "$pid"; pgrep -P "$pid" || true)
  # nothing that it has is kept: the next start begins with an empty folder
  kill -KILL "${pids[@]}" 2>/dev/null || true
  for pid in "${pids[@]}"; do
    # whoever inherited it may be slow to see that it has ended (Z)
    for _ in $(seq 100); do
      grep -qs ') [^Z] ' "/proc/$pid/stat" || break
      sleep 0.05
    done
  done
  rm -f "$dir/pid"
}

version_of_peer() {
  case $name in
    prosody) [ "$PROSODY" = prosody ] || { echo "$PROSODY"; return; } ;;
    ejabberd) [ -z "${EJABBERD:-}" ] || { echo "$EJABBERD"; return; } ;;
  esac
  dpkg-query -W -f '${Version}\n' "$name"
}

case ${1:-} in install) install_peers; exit ;; start|stop|pid|version) ;; *) usage ;; esac
name=${2:-}
case $name in prosody|ejabberd) ;; *) usage ;; esac
[ "$1" != version ] || { version_of_peer; exit; }
dir=$PEERS_DIR/$name
mkdir -p "$dir"
chmod 755 "$PEERS_DIR"
case $1 in
  start)
    port=${3:-}
    accounts=${4:-5000}
    [[ $port =~ ^[0-9]+$ && $accounts =~ ^[0-9]+$ ]] || usage
    stop_peer
    rm -rf "${dir:?}"
    mkdir -p "$dir"
    "start_$name"
    cat "$dir/pid" ;;
  stop) stop_peer ;;
  pid) cat "$dir/pid" ;;
esac
