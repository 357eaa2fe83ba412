// libpurple, as Pidgin and Finch use it, over BOSH behind the tests' line protocol (see driver.mjs):
//
//   purple URL DOMAIN USER PASSWORD RESOURCE DIRECTORY
//
// It keeps its files in DIRECTORY. It connects and becomes available at once. A
// line "send TO ID BODY" on standard input sends a message under an id of
// libpurple's own, the end of the input leaves.

#include <purple.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static GMainLoop *loop;
static PurpleAccount *account;

/* What is told. */

static void print_quoted(const char *text) {
  putchar('"');
  for (; *text; text++) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      printf("\\%c", c);
    else if (c < 0x20)
      printf("\\u%04x", c);
    else
      putchar(c);
  }
  putchar('"');
}

static void report(const char *event, const char *field, const char *value) {
  printf("{\"event\": \"%s\", \"%s\": ", event, field);
  print_quoted(value);
  puts("}");
  fflush(stdout);
}

static void signed_on(PurpleConnection *connection) {
  report("online", "jid", purple_connection_get_display_name(connection));
}

static void signed_off(PurpleConnection *connection) {
  (void)connection;
  report("offline", "reason", "");
  g_main_loop_quit(loop);
}

static void failed(PurpleConnection *connection, PurpleConnectionError error, const char *text) {
  (void)connection;
  (void)error;
  report("error", "text", text);
}

static gboolean received(PurpleConnection *connection, const char *type, const char *id, const char *from,
                         const char *to, xmlnode *message) {
  (void)connection;
  (void)to;
  xmlnode *body = xmlnode_get_child(message, "body");
  if (body == NULL || g_strcmp0(type, "error") == 0) return FALSE;
  char *text = xmlnode_get_data(body);
  printf("{\"event\": \"message\", \"from\": ");
  print_quoted(from);
  printf(", \"id\": ");
  print_quoted(id == NULL ? "" : id);
  printf(", \"body\": ");
  print_quoted(text == NULL ? "" : text);
  printf(", \"delay\": %s}\n", xmlnode_get_child(message, "delay") == NULL ? "null" : "\"\"");
  fflush(stdout);
  g_free(text);
  return FALSE;
}

/* What is asked. */

static void obey(const char *line) {
  char **words = g_strsplit(line, " ", 4);
  if (g_strv_length(words) == 4 && strcmp(words[0], "send") == 0) {
    PurpleConversation *conversation =
        purple_find_conversation_with_account(PURPLE_CONV_TYPE_IM, words[1], account);
    if (conversation == NULL) conversation = purple_conversation_new(PURPLE_CONV_TYPE_IM, account, words[1]);
    char *html = g_markup_escape_text(words[3], -1);
    purple_conv_im_send(PURPLE_CONV_IM(conversation), html);
    g_free(html);
  }
  g_strfreev(words);
}

static void readable(gpointer data, gint descriptor, PurpleInputCondition condition) {
  static GString *input;
  char buffer[4096];
  (void)condition;
  const ssize_t count = read(descriptor, buffer, sizeof buffer);
  if (count <= 0) {
    purple_input_remove(*(guint *)data);
    purple_account_disconnect(account);
    return;
  }
  if (input == NULL) input = g_string_new(NULL);
  g_string_append_len(input, buffer, count);
  for (char *end; (end = strchr(input->str, '\n')) != NULL; g_string_erase(input, 0, end + 1 - input->str)) {
    *end = '\0';
    obey(input->str);
  }
}

/* The loop that libpurple asks for: GLib's. */

typedef struct {
  PurpleInputFunction function;
  gpointer data;
} Watch;

static gboolean ready(GIOChannel *channel, GIOCondition condition, gpointer data) {
  const Watch *watch = data;
  const int found = ((condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) ? PURPLE_INPUT_READ : 0) |
                    ((condition & (G_IO_OUT | G_IO_ERR)) ? PURPLE_INPUT_WRITE : 0);
  watch->function(watch->data, g_io_channel_unix_get_fd(channel), (PurpleInputCondition)found);
  return TRUE;
}

static guint add_input(int descriptor, PurpleInputCondition condition, PurpleInputFunction function, gpointer data) {
  Watch *watch = g_new(Watch, 1);
  watch->function = function;
  watch->data = data;
  GIOChannel *channel = g_io_channel_unix_new(descriptor);
  const int wanted = ((condition & PURPLE_INPUT_READ) ? G_IO_IN | G_IO_HUP | G_IO_ERR : 0) |
                     ((condition & PURPLE_INPUT_WRITE) ? G_IO_OUT | G_IO_ERR : 0);
  const guint id =
      g_io_add_watch_full(channel, G_PRIORITY_DEFAULT, (GIOCondition)wanted, ready, watch, g_free);
  g_io_channel_unref(channel);
  return id;
}

static PurpleEventLoopUiOps events = {
    .timeout_add = g_timeout_add,
    .timeout_remove = g_source_remove,
    .input_add = add_input,
    .input_remove = g_source_remove,
    .timeout_add_seconds = g_timeout_add_seconds,
};

static void listen(void) {
  static int here;
  void *connections = purple_connections_get_handle();
  purple_signal_connect(connections, "signed-on", &here, PURPLE_CALLBACK(signed_on), NULL);
  purple_signal_connect(connections, "signed-off", &here, PURPLE_CALLBACK(signed_off), NULL);
  purple_signal_connect(connections, "connection-error", &here, PURPLE_CALLBACK(failed), NULL);
  PurplePlugin *xmpp = purple_find_prpl("prpl-jabber");
  purple_signal_connect(xmpp, "jabber-receiving-message", &here, PURPLE_CALLBACK(received), NULL);
}

static void sign_in(char **argv) {
  char *name = g_strdup_printf("%s@%s/%s", argv[3], argv[2], argv[5]);
  account = purple_account_new(name, "prpl-jabber");
  g_free(name);
  purple_account_set_password(account, argv[4]);
  purple_account_set_string(account, "bosh_url", argv[1]);
  purple_account_set_string(account, "connection_security", "opportunistic_tls");
  purple_account_set_bool(account, "auth_plain_in_clear", TRUE);  // or it would ask
  PurpleProxyInfo *proxy = purple_proxy_info_new();
  purple_proxy_info_set_type(proxy, PURPLE_PROXY_NONE);
  purple_account_set_proxy_info(account, proxy);
  purple_accounts_add(account);
  purple_account_set_enabled(account, "andiron", TRUE);
  purple_savedstatus_activate(purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));
}

int main(int argc, char **argv) {
  static guint input;
  if (argc != 7) return 2;
  loop = g_main_loop_new(NULL, FALSE);
  purple_util_set_user_dir(argv[6]);
  purple_eventloop_set_ui_ops(&events);
  if (!purple_core_init("andiron")) return 1;
  purple_set_blist(purple_blist_new());
  listen();
  sign_in(argv);
  input = purple_input_add(STDIN_FILENO, PURPLE_INPUT_READ, readable, &input);
  g_main_loop_run(loop);
  return 0;
}
