// gloox over BOSH behind the tests' line protocol (see driver.mjs):
//
//   gloox HOST PORT PATH DOMAIN USER PASSWORD RESOURCE
//
// It connects at once. A line "send TO ID BODY" on standard input sends a
// message, "presence" becomes available, "last BODY" leaves as soon as that
// message comes, the end of the input at once.

#include <gloox/client.h>
#include <gloox/connectionbosh.h>
#include <gloox/connectionlistener.h>
#include <gloox/connectiontcpclient.h>
#include <gloox/message.h>
#include <gloox/messagehandler.h>
#include <gloox/presence.h>

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

using namespace gloox;

namespace {

std::string json(const std::string& text) {
  std::string quoted = "\"";
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(c);
    } else if (c < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      quoted += escaped;
    } else {
      quoted += static_cast<char>(c);
    }
  }
  return quoted + '"';
}

void report(const std::string& event, const std::string& fields = "") {
  std::cout << "{\"event\": \"" << event << '"' << fields << "}" << std::endl;
}

class Person : public ConnectionListener, public MessageHandler {
 public:
  explicit Person(Client& client) : client_(client) {
    client.registerConnectionListener(this);
    client.registerMessageHandler(this);
  }

  bool connected = false;
  std::string last;

  void onConnect() override {
    connected = true;
    report("online", ", \"jid\": " + json(client_.jid().full()));
  }

  void onDisconnect(ConnectionError error) override {
    if (error == ConnAuthenticationFailed) report("error", ", \"text\": \"not-authorized\"");
    report("offline", ", \"reason\": " + std::to_string(error));
    connected = false;
  }

  bool onTLSConnect(const CertInfo&) override { return true; }

  void handleMessage(const Message& message, MessageSession*) override {
    if (message.body().empty() || message.subtype() == Message::Error) return;
    report("message", ", \"from\": " + json(message.from().full()) + ", \"id\": " + json(message.id()) +
                          ", \"body\": " + json(message.body()) + ", \"delay\": null");
    if (message.body() == last) client_.disconnect();
  }

 private:
  Client& client_;
};

void obey(Client& client, Person& person, const std::string& line) {
  std::istringstream words(line);
  std::string command, to, id, body;
  words >> command;
  if (command == "presence") {
    client.setPresence(Presence::Available, 0);
  } else if (command == "last") {
    words >> person.last;
  } else if (command == "send") {
    words >> to >> id;
    std::getline(words >> std::ws, body);
    Message message(Message::Chat, JID(to), body);
    message.setID(id);
    client.send(message);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const std::string host = argv[1], path = argv[3], domain = argv[4];
  const int port = std::stoi(argv[2]);
  JID jid(std::string(argv[5]) + '@' + domain + '/' + argv[7]);
  Client client(jid, argv[6]);
  client.setTls(TLSDisabled);
  auto* tcp = new ConnectionTCPClient(client.logInstance(), host, port);
  auto* bosh = new ConnectionBOSH(&client, tcp, client.logInstance(), host, domain, port);
  bosh->setMode(ConnectionBOSH::ModePersistentHTTP);
  bosh->setPath(path);
  client.setConnectionImpl(bosh);
  Person person(client);
  if (!client.connect(false)) {
    report("error", ", \"text\": \"no connection\"");
    return 1;
  }
  std::string input;
  for (;;) {
    const ConnectionError state = client.recv(20000);  // microseconds
    if (state != ConnNoError) return 0;
    pollfd standard_input{STDIN_FILENO, POLLIN, 0};
    if (!person.connected || poll(&standard_input, 1, 0) <= 0) continue;
    char buffer[4096];
    const ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);
    if (count <= 0) {
      client.disconnect();
      return 0;
    }
    input.append(buffer, static_cast<size_t>(count));
    for (size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) {
      obey(client, person, input.substr(0, end));
    }
  }
}
